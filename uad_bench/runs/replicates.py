"""Bootstrap replicates on disk, from which intervals of differences, folds and ranks are computed without maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic
from uad_bench.runs.folder import Run

Replicates = Mapping[str, NDArray[np.float64]]
"""Values (R,) by metric key; R rows of resampled patients, the same for all runs on the same patients."""


def save_replicates(run: Run, replicates: Replicates) -> None:
    """Store a run's replicates, in the order of the record."""
    write_columns(run.replicates, replicates)


def load_replicates(run: Run) -> dict[str, NDArray[np.float64]]:
    """Replicates (R,) by metric key."""
    bootstrap = run.read_record().bootstrap
    return read_columns(run.replicates, bootstrap.metrics if bootstrap else ())


def write_columns(path: Path, replicates: Replicates) -> None:
    """Store replicates (R,) as the columns of one array."""
    columns = np.stack(list(replicates.values()), axis=1) if replicates else np.empty((0, 0))
    with atomic(path) as file:
        np.save(file, columns, allow_pickle=False)


def read_columns(path: Path, keys: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Replicates (R,) by metric key, in the stored order."""
    return dict(zip(keys, np.load(path, allow_pickle=False).T, strict=True))


def mean_of_folds(folds: Sequence[Replicates]) -> dict[str, NDArray[np.float64]]:
    """Replicates of the mean over folds, for the metrics that every fold has."""
    shared = [key for key in folds[0] if all(key in fold for fold in folds)]
    return {key: np.mean([fold[key] for fold in folds], axis=0) for key in shared}
