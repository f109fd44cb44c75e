"""Which voxels count: the brain and every anomalous voxel, never the margins of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.ranks import Voxels


def voxels_of(scores: NDArray[np.float32], anomaly: NDArray[np.bool_], brain: NDArray[np.bool_]) -> Voxels:
    """The voxels to score, of volumes of one shape.

    Background is easy to tell from an anomaly, so that counting it would lift AUROC and lower every false-positive rate
    by the size of the margins alone. Anomalous voxels outside the brain mask stay: leaving them out would hide misses.
    """
    domain = brain | anomaly
    return scores[domain], anomaly[domain]
