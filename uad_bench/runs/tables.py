"""The tables of a run: metrics of each test patient, and metrics at many thresholds."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.runs.folder import Run

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Pooled metrics at M thresholds, highest first; each array is (M,).

    Attributes:
        fpr: false-positive rate.
    """

    thresholds: Values
    precision: Values
    sensitivity: Values
    dice: Values
    fpr: Values

    def thinned(self, points: int) -> "Curve":
        """At most this many points, evenly spaced by index, including both ends and the best Dice."""
        if len(self.dice) <= points:
            return self
        even = np.linspace(0, len(self.dice) - 1, points - 1).round().astype(int)
        chosen = np.union1d(even, np.nanargmax(self.dice))
        return Curve(*(array[chosen] for array in self._arrays()))

    def _arrays(self) -> tuple[Values, ...]:
        return self.thresholds, self.precision, self.sensitivity, self.dice, self.fpr


@dataclass(frozen=True, slots=True)
class Patients:
    """Metrics of each test patient.

    Attributes:
        names: subjects, sorted.
        values: by column, such as `auprc` or `dice@hFPR5`; one per patient, NaN where undefined.
        reasons: by column and subject, why a metric is undefined.
    """

    names: tuple[str, ...]
    values: Mapping[str, Values]
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)


def read_curve(run: Run) -> Curve | None:
    """The run's sweep; None for a failed run, a run with folds (score scales differ), or without positives."""
    rows = read_rows(run.sweep) if run.sweep.exists() else []
    if not rows:
        return None
    names = ("thresholds", "precision", "sensitivity", "dice", "fpr")
    return Curve(*(np.array([float(row[name]) for row in rows]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class FrocCurve:
    """Rates at M thresholds, highest first; each array is (M,), NaN where undefined."""

    false_positives: Values
    lesion_sensitivity: Values
    slice_alarm_rate: Values


def read_froc(run: Run) -> FrocCurve | None:
    """The run's FROC curve; None for a failed run, a run with folds, or one of an older version."""
    rows = read_rows(run.froc) if run.froc.exists() else []
    names = ("false_positives_per_volume", "lesion_sensitivity", "slice_alarm_rate")
    return FrocCurve(*(np.array([float(row[name]) for row in rows]) for name in names)) if rows else None


def read_patients(run: Run) -> Patients:
    """Metrics of every test patient, from all folds; empty for a failed run."""
    files = [one.metrics for one in (run.folds or (run,)) if one.metrics.exists()]
    rows = sorted((row for path in files for row in read_rows(path)), key=lambda row: row["subject"])
    columns = [name for name in rows[0] if name != "subject"] if rows else []
    names = tuple(row["subject"] for row in rows)
    values = {column: np.array([_number(row.get(column)) for row in rows]) for column in columns}
    reasons = {
        (column, row["subject"]): row[column]
        for row in rows
        for column in columns
        if row.get(column) and np.isnan(_number(row[column]))
    }
    return Patients(names, values, reasons)


def read_rows(path: Path) -> Sequence[Mapping[str, str]]:
    """The rows of a CSV file of a run, as text by column."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:  # the reason code of an undefined metric
        return float("nan")
