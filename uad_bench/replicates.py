"""Bootstrap replicates on disk: what intervals of differences, folds and ranks are computed from, without any map."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic
from uad_bench.runs import Run

Replicates = Mapping[str, NDArray[np.float64]]
"""Values (R,) by metric key; R rows of resampled patients, the same for all runs on the same patients."""


def save_replicates(run: Run, replicates: Replicates) -> None:
    """Store replicates (R,) by metric key as the columns of one array, in the order of the record's list."""
    columns = np.stack(list(replicates.values()), axis=1) if replicates else np.empty((0, 0))
    with atomic(run.replicates) as file:
        np.save(file, columns, allow_pickle=False)


def load_replicates(run: Run) -> dict[str, NDArray[np.float64]]:
    """Replicates (R,) by metric key."""
    columns = np.load(run.replicates, allow_pickle=False)
    return dict(zip(run.read_record()["bootstrap"]["metrics"], columns.T, strict=True))
