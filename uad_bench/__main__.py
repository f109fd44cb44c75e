"""Run the command line with `python -m uad_bench`."""

from uad_bench.cli import main

main()
