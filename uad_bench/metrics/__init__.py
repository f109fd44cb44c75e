"""Metrics as pure functions of numpy arrays; `registry.METRICS` lists them all by name.

Nothing here reads a file, prints, or needs torch. A metric returns a `Measure`, which is a number or the reason why
there is none.
"""
