"""Where subjects come from: one class per layout, registered under `uad_bench.datasets`."""
