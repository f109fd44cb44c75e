"""The command line. Commands import what they need when they run, so that --help is quick."""

from uad_bench.cli.app import main

__all__ = ["main"]
