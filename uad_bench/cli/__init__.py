"""Command line. Commands import what they need when they are called, so that --help is fast."""

from uad_bench.cli.app import main

__all__ = ["main"]
