"""Jackknife replicates on disk, from which intervals of differences, folds and ranks are computed without maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic
from uad_bench.metrics.uncertainty import fold_replicates, from_bootstrap
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import RunRecord

JACKKNIFE_SINCE = 2  # metrics version; before, replicates were of a bootstrap

Replicates = Mapping[str, NDArray[np.float64]]
"""Values (n,) by metric key: the metric without each of the n patients, in the same order for all runs on them."""


def save_replicates(run: Run, replicates: Replicates) -> None:
    """Store a run's replicates, in the order of the record."""
    write_columns(run.replicates, replicates)


def load_replicates(run: Run) -> dict[str, NDArray[np.float64]]:
    """Replicates (n,) by metric key; bootstrap replicates of an older record are scaled to the same standard error."""
    record = run.read_record()
    columns = read_columns(run.replicates, record.bootstrap.metrics if record.bootstrap else ())
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
    """Replicates (n,) of the mean over folds, for the metrics that every fold has.

    Args:
        metrics: rows of each fold.
        folds: replicates of each fold.
    """
    values = [{row.key: row.value for row in rows} for rows in metrics]
    shared = [key for key in folds[0] if all(key in fold for fold in folds)]
    return {
        key: fold_replicates([float(row[key] or 0.0) for row in values], [fold[key] for fold in folds])
        for key in shared
    }
