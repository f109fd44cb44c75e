"""Python interface with the same commands as the command line.

Each function reports progress on standard error. Results print as a table, are displayed as one in a notebook, and
convert to a pandas data frame with `to_frame()`.
"""

from uad_bench.api.results import Board, Comparison, OverallBoard, ReportPage, Result
from uad_bench.api.verbs import combine, compare, evaluate, leaderboard, overall, report, run, score

__all__ = [
    "Board",
    "Comparison",
    "OverallBoard",
    "ReportPage",
    "Result",
    "combine",
    "compare",
    "evaluate",
    "leaderboard",
    "overall",
    "report",
    "run",
    "score",
]
