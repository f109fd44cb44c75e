"""AUROC between lesion and healthy voxels of equal input intensity: what a score knows beyond brightness.

A lesion voxel is compared with healthy voxels of the same patient that are slightly darker and with ones that are
slightly brighter, and each of the two comparisons counts one half. A score that increases (or decreases) with the
intensity wins the one and loses the other, so it has exactly 0.5, whatever the lesions look like.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.value import MetricValue, undefined

NEIGHBOURS = 100
"""Healthy voxels in a bin of intensity; voxels of one intensity are never divided."""
_SHIFT = 32  # bits of a float32 below the number of its bin


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """Lesion voxels compared with healthy voxels of equal intensity; those of several patients can be added.

    Attributes:
        lesions: lesion voxels.
        compared: those with darker and brighter healthy voxels in the patient.
        won: share of its healthy voxels that a lesion voxel exceeds, ties counted one half; summed over lesion voxels.
    """

    lesions: int = 0
    compared: int = 0
    won: float = 0.0

    def __add__(self, other: MatchedPairs) -> MatchedPairs:
        return MatchedPairs(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def compare_matched(
    scores: NDArray[np.float32], anomaly: NDArray[np.bool_], intensities: NDArray[np.float32]
) -> MatchedPairs:
    """Compare the lesion voxels of a patient with the healthy voxels in the next darker and the next brighter bin.

    Args:
        scores: (V,).
        anomaly: (V,).
        intensities: (V,) of the input.
    """
    edges = np.unique(np.sort(intensities[~anomaly])[::NEIGHBOURS])  # lowest intensity of each bin
    bins = np.searchsorted(edges, intensities, side="right") - 1
    keys = (bins << _SHIFT) | _ordered(scores)
    between = (bins[anomaly] > 0) & (bins[anomaly] < edges.size - 1)
    healthy, lesions = np.sort(keys[~anomaly]), np.sort(keys[anomaly][between])
    darker, brighter = (_exceeded(healthy, lesions + (step << _SHIFT)) for step in (-1, 1))
    return MatchedPairs(between.size, lesions.size, float(np.sum((darker + brighter) / 2)))


def matched_auroc(pairs: MatchedPairs) -> MetricValue:
    """Mean share of equally bright healthy voxels that a lesion voxel exceeds.

    Undefined: `no_positive`, `no_equal_intensity`.
    """
    if not pairs.lesions:
        return undefined("no_positive")
    return MetricValue(pairs.won / pairs.compared) if pairs.compared else undefined("no_equal_intensity")


def matched_replicates(pairs: Any) -> NDArray[np.float64]:
    """The same (R,), NaN where undefined, of pairs with arrays (R,) in place of numbers."""
    with np.errstate(invalid="ignore"):
        values: NDArray[np.float64] = pairs.won / pairs.compared
    return values


def _ordered(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers below 2^32 in the order of the scores."""
    bits = (scores + np.float32(0)).view(np.uint32)  # the sum turns -0.0 into 0.0
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)


def _exceeded(healthy: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share (L,) of the healthy voxels, in the bin of a key, that are below it; equal ones are counted half."""
    first = keys >> _SHIFT << _SHIFT
    start, end = np.searchsorted(healthy, first), np.searchsorted(healthy, first + (1 << _SHIFT))
    below, up_to = np.searchsorted(healthy, keys), np.searchsorted(healthy, keys, side="right")
    share: NDArray[np.float64] = ((below + up_to) / 2 - start) / (end - start)
    return share
