"""Selection of patients for the case browser: worst, median and best, and those on which methods disagree most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.output.columns import finite

COLUMN = "dice@hFPR5"
DISAGREEMENTS = 2


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """A patient, and the reasons for the selection."""

    subject: str
    reasons: tuple[str, ...]


def choose_cases(patients: Sequence[str], table: NDArray[np.float64], methods: Sequence[str]) -> list[ChosenCase]:
    """Worst, median and best by the mean over methods, and the largest differences between two methods.

    Args:
        table: values (M, n), NaN where undefined.
    """
    defined = np.isfinite(table).any(axis=0) if table.size else np.zeros(len(patients), bool)
    known = np.flatnonzero(defined)
    if not known.size:
        return [ChosenCase(name, ("no metric: no anomaly in any test patient",)) for name in patients[:3]]
    mean = np.full(len(patients), np.nan)
    mean[known] = np.nanmean(table[:, known], axis=0)
    reasons = {
        index: [f"{place} patient (mean Dice {mean[index]:.2f})" for place in places]
        for index, places in worst_median_best(mean).items()
    }
    for index, reason in _disagreements(table, known, methods):
        reasons.setdefault(index, []).append(reason)
    return [ChosenCase(patients[index], tuple(why)) for index, why in reasons.items()]


def worst_median_best(values: NDArray[np.float64]) -> dict[int, list[str]]:
    """Indices of the worst, median and best finite value; of few values, one may be several of these."""
    order = [int(i) for i in np.argsort(values, kind="stable") if np.isfinite(values[i])]
    places: dict[int, list[str]] = {}
    for name, k in (("worst", 0), ("median", (len(order) - 1) // 2), ("best", -1)) if order else ():
        places.setdefault(order[k], []).append(name)
    return places


def case_sheet(
    cases: Sequence[ChosenCase], patients: Sequence[str], table: NDArray[np.float64], methods: Sequence[str]
) -> Sheet:
    """The selected patients with the Dice of every method."""
    columns = (Column("patient", numeric=False, identity=True), Column("reason", numeric=False), *map(Column, methods))
    rows = tuple(
        (
            Cell(case.subject),
            Cell("; ".join(case.reasons)),
            *(Cell(finite(value)) for value in table[:, patients.index(case.subject)]),
        )
        for case in cases
    )
    return Sheet("Selected patients", columns, rows, ("Per-patient Dice at hFPR5, mean over seeds.",))


def _disagreements(
    table: NDArray[np.float64], known: NDArray[np.int64], methods: Sequence[str]
) -> list[tuple[int, str]]:
    """Patients with the largest difference between two methods."""
    if len(methods) < 2:
        return []
    spread = np.nanmax(table[:, known], axis=0) - np.nanmin(table[:, known], axis=0)
    found = []
    for index in known[np.argsort(-spread, kind="stable")[:DISAGREEMENTS]]:
        best, worst = methods[int(np.nanargmax(table[:, index]))], methods[int(np.nanargmin(table[:, index]))]
        low, high = np.nanmin(table[:, index]), np.nanmax(table[:, index])
        found.append((int(index), f"methods disagree ({best} {high:.2f}, {worst} {low:.2f})"))
    return found
