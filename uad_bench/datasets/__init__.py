"""Dataset classes, one per file layout, registered under `uad_bench.datasets`."""
