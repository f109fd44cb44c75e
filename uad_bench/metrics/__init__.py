"""Metrics as pure functions of numpy arrays; `registry.METRICS` lists them all by name.

These modules do no input or output and do not need torch. A metric returns a `MetricValue`: a number, or the reason
why it is undefined.
"""
