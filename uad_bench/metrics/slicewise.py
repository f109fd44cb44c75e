"""Slice-level detection: one score per slice.

Means are over the brain only; a mean over the whole image would also depend on the fraction of brain in it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.ranks import Voxels


def mean_brain(scores: NDArray[np.float32]) -> float:
    """Mean of a slice's brain voxels (V,)."""
    return float(np.mean(scores, dtype=np.float64))


def top1pct_brain(scores: NDArray[np.float32]) -> float:
    """Mean of the highest 1 % of a slice's brain voxels (V,), at least one voxel."""
    n_top = math.ceil(scores.size / 100)
    return float(np.mean(np.partition(scores, scores.size - n_top)[-n_top:], dtype=np.float64))


REDUCTIONS: Mapping[str, Callable[[NDArray[np.float32]], float]] = {
    "mean_brain": mean_brain,
    "top1pct_brain": top1pct_brain,
}


def _top10pct(scores: NDArray[np.float32]) -> float:
    """Mean of the voxels (V,) above the 90 % quantile; the quantile itself if none is."""
    quantile = np.quantile(scores, 0.9)
    above = scores[scores > quantile]
    return float(np.mean(above, dtype=np.float64)) if above.size else float(quantile)


SLICE_SCORES: Mapping[str, Callable[[NDArray[np.float32]], float]] = {
    "mean": mean_brain,
    "max": lambda scores: float(scores.max()),
    "top10pct": _top10pct,
}
"""Scores of a slice (V,) in published papers."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceScores:
    """The slices of one patient that contain brain.

    Attributes:
        z: (S,) int64 index along the third axis.
        scores: (S,) float32, by name of the reduction.
        anomalous: (S,) bool, whether the slice contains anomaly.
    """

    z: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float32]]
    anomalous: NDArray[np.bool_]

    def voxels(self, reduction: str) -> Voxels:
        """Scores and labels of the slices, in the form of voxels for `count_ranks` and the jackknife."""
        return self.scores[reduction], self.anomalous


def slice_scores(scores: NDArray[np.float32], anomaly: NDArray[np.bool_], *, domain: NDArray[np.bool_]) -> SliceScores:
    """Reduce each axial slice that contains voxels of the domain; scores, anomaly and domain are (X, Y, Z)."""
    z = np.flatnonzero(domain.any(axis=(0, 1)))
    brains = [scores[:, :, k][domain[:, :, k]] for k in z]
    reduced = {name: np.array([of(brain) for brain in brains], np.float32) for name, of in REDUCTIONS.items()}
    return SliceScores(z, reduced, np.array([anomaly[:, :, k].any() for k in z], bool))
