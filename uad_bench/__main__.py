"""`python -m uad_bench` is `uad-bench`."""

from uad_bench.cli import main

main()
