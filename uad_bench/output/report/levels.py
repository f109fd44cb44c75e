"""Scores as one byte: the number of thresholds, up to 255, that a score reaches.

The slider steps through these exact thresholds, so that it marks the same voxels as the evaluation; equally spaced
steps would not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import smallest_float32
from uad_bench.runs.tables import Curve

MOST = 240
OUTSIDE = 0


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Thresholds of one method.

    Attributes:
        thresholds: (K,) float32, ascending; a score of level k is at or above the first k of them.
        dice: (K,) pooled Dice of the test patients at each threshold.
        fpr: (K,) pooled false-positive rate at each threshold.
    """

    thresholds: NDArray[np.float32]
    dice: NDArray[np.float64]
    fpr: NDArray[np.float64]
    policies: Mapping[str, int]

    def quantise(self, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Level of each score, of the same shape."""
        return np.searchsorted(self.thresholds, scores, side="right").astype(np.uint8)


def make_levels(curve: Curve, policies: Mapping[str, float]) -> Levels:
    """Levels from a thinned curve, extended by the exact thresholds of the policies."""
    thin = curve.thinned(MOST)
    exact = {name: smallest_float32(value) for name, value in policies.items()}
    found = np.union1d(thin.thresholds.astype(np.float32), np.array([*exact.values()], np.float32))[:255]
    order = np.argsort(thin.thresholds, kind="stable")
    known = thin.thresholds[order]
    return Levels(
        thresholds=found,
        dice=np.interp(found, known, thin.dice[order]),
        fpr=np.interp(found, known, thin.fpr[order]),
        policies={name: 1 + int(np.searchsorted(found, value)) for name, value in exact.items()},
    )


def count_levels(levels: NDArray[np.uint8], anomaly: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Number of voxels, and of anomalous voxels, per level: (2, 256), from arrays of the same shape."""
    return np.stack([np.bincount(part.ravel(), minlength=256) for part in (levels, levels[anomaly])]).astype(np.uint32)
