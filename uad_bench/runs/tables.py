"""The tables of a run: metrics of each test patient, metrics at many thresholds, and jackknife replicates."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic
from uad_bench.metrics.uncertainty import fold_replicates, from_bootstrap
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import RunRecord

T = TypeVar("T")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Pooled metrics at M thresholds, highest first; each array is (M,)."""

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
        return Curve(*(getattr(self, column.name)[chosen] for column in fields(self)))


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
    return _curve(Curve, run.sweep, "thresholds", "precision", "sensitivity", "dice", "fpr")


@dataclass(frozen=True, slots=True, eq=False)
class FrocCurve:
    """Rates at M thresholds, highest first; each array is (M,), NaN where undefined."""

    false_positives: Values
    lesion_sensitivity: Values
    slice_alarm_rate: Values


def read_froc(run: Run) -> FrocCurve | None:
    """The run's FROC curve; None for a failed run, a run with folds, or one of an older version."""
    return _curve(FrocCurve, run.froc, "false_positives_per_volume", "lesion_sensitivity", "slice_alarm_rate")


def _curve(kind: Callable[..., T], path: Path, *columns: str) -> T | None:
    rows = read_rows(path) if path.exists() else []
    return kind(*(np.array([float(row[name]) for row in rows]) for name in columns)) if rows else None


def read_patients(run: Run) -> Patients:
    """Metrics of every test patient, from all folds; empty for a failed run."""
    files = [one.metrics for one in (run.folds or (run,)) if one.metrics.exists()]
    rows = sorted((row for path in files for row in read_rows(path)), key=lambda row: row["subject"])
    columns = [name for name in rows[0] if name != "subject"] if rows else []
    names = tuple(row["subject"] for row in rows)
    values = {column: np.array([parse_number(row.get(column)) for row in rows]) for column in columns}
    reasons = {
        (column, row["subject"]): row[column]
        for row in rows
        for column in columns
        if row.get(column) and np.isnan(parse_number(row[column]))
    }
    return Patients(names, values, reasons)


def read_rows(path: Path) -> Sequence[Mapping[str, str]]:
    """The rows of a CSV file of a run, as text by column."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parse_number(text: str | None) -> float:
    """The number in a cell of a run's table; NaN for the reason code of an undefined metric."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


JACKKNIFE_SINCE = 2  # metrics version; before, replicates were of a bootstrap

Replicates = Mapping[str, NDArray[np.float64]]
"""Values (n,) by metric key: the metric without each of the n patients, in the same order for all runs on them."""


def load_replicates(run: Run) -> dict[str, NDArray[np.float64]]:
    """Replicates (n,) by metric key; bootstrap replicates of an older record are scaled to the same standard error."""
    record = run.read_record()
    columns = read_columns(run.replicates, record.jackknife.metrics if record.jackknife else ())
    return current(columns, record)


def current(columns: Replicates, record: RunRecord) -> dict[str, NDArray[np.float64]]:
    """Replicates of a record of any metrics version, as jackknife replicates."""
    if record.metrics_version >= JACKKNIFE_SINCE:
        return dict(columns)
    n_patients = len(record.subjects.test)
    return {key: from_bootstrap(values, n_patients=n_patients) for key, values in columns.items()}


def write_columns(path: Path, replicates: Replicates) -> None:
    """Store replicates (n,) as the columns of one array."""
    columns = np.stack(list(replicates.values()), axis=1) if replicates else np.empty((0, 0))
    with atomic(path) as file:
        np.save(file, columns, allow_pickle=False)


def read_columns(path: Path, keys: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Stored replicates by metric key, in the stored order."""
    return dict(zip(keys, np.load(path, allow_pickle=False).T, strict=True))


def mean_of_folds(
    metrics: Sequence[Sequence[MetricRow]], folds: Sequence[Replicates]
) -> dict[str, NDArray[np.float64]]:
    """Replicates (n,) of the mean over folds, for the metrics that every fold has."""
    values = [{row.key: row.value for row in rows} for rows in metrics]
    shared = [key for key in folds[0] if all(key in fold for fold in folds)]
    return {
        key: fold_replicates([float(row[key] or 0.0) for row in values], [fold[key] for fold in folds])
        for key in shared
    }
