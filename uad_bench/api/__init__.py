"""The same verbs as on the command line, for Python.

Each reports its progress on standard error and returns something that prints as a table, shows as one in a notebook,
and gives a pandas data frame with `to_frame()`.
"""

from uad_bench.api.results import Board, Comparison, ReportPage, Result
from uad_bench.api.verbs import compare, evaluate, leaderboard, report, run, score

__all__ = [
    "Board",
    "Comparison",
    "ReportPage",
    "Result",
    "compare",
    "evaluate",
    "leaderboard",
    "report",
    "run",
    "score",
]
