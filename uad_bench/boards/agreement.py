"""Would another sensible choice have ranked the methods alike?"""

import numpy as np

from uad_bench.boards.ranking import AUPRC, Ranking
from uad_bench.boards.result import Quantity
from uad_bench.metrics.measure import Measure, undefined
from uad_bench.metrics.ranking import kendall_tau

CHOICES = (
    ("mean over patients", Quantity("auprc", aggregation="mean")),
    ("dice@hFPR5", Quantity("dice", "hFPR5")),
)


def agreements(ranking: Ranking, chain: str) -> list[tuple[str, Measure]]:
    """Kendall tau of the ranking with those by other quantities and after the other chain, where they are known."""
    other = "common" if chain == "none" else "none"
    choices = [(name, quantity.in_chain(chain)) for name, quantity in CHOICES]
    choices.append((f"{'raw maps' if other == 'none' else 'common chain'}", AUPRC.in_chain(other)))
    found = [(name, agreement(ranking, quantity, chain)) for name, quantity in choices]
    return [(name, tau) for name, tau in found if tau.defined]


def agreement(ranking: Ranking, quantity: Quantity, chain: str) -> Measure:
    """Kendall tau of the ranked rows' order by AUPRC and by another quantity. Undefined: `absent`, `constant`."""
    mine = [row.number(AUPRC.in_chain(chain)).value for row in ranking.rows]
    theirs = [row.number(quantity).value for row in ranking.rows]
    if len(mine) < 2 or None in theirs:
        return undefined("absent")
    return kendall_tau(np.array(mine, np.float64), np.array(theirs, np.float64))
