"""AUROC between lesion and healthy voxels of equal input intensity: what a score knows beyond brightness.

Voxels are divided into bins of the input's intensity, at quantiles of the lesion voxels. The AUROC is computed within
each bin, and averaged over bins weighted by lesion voxels. A bin with fewer than 100 voxels of either kind is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.pooled_bins import PatientCounts, shared_thresholds
from uad_bench.metrics.ranks import RankCounts
from uad_bench.metrics.uncertainty import Resamples, in_blocks
from uad_bench.metrics.value import MetricValue, undefined

MOST_BINS = 256
LEAST_VOXELS = 100
SHARED = 8_192  # keys of lesion voxels at and just above which patients are counted
STEP = float(1 << 32)  # distance of the keys of two bins; a float32 has fewer values

Values = NDArray[np.float64]


def intensity_limits(lesions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner limits, ascending, of at most 256 bins of at least 100 lesion voxels each.

    Args:
        lesions: (P,) input intensities of all lesion voxels.
    """
    n_bins = min(MOST_BINS, max(1, lesions.size // LEAST_VOXELS))
    if not lesions.size:
        return lesions
    limits: NDArray[np.float32] = np.quantile(lesions, np.arange(1, n_bins) / n_bins, method="higher")
    return np.unique(limits)


def matching_keys(
    scores: NDArray[np.float32], intensities: NDArray[np.float32], limits: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Keys (V,) that order voxels by bin, then by score; exact in float64.

    Args:
        scores: (V,) of a patient.
        intensities: (V,) input intensity of the same voxels.
        limits: of `intensity_limits`.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # the sum turns -0.0 into 0.0
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return np.asarray(np.searchsorted(limits, intensities, side="right") * STEP + ordered, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class MatchedCounts:
    """Counts of keys, from which the metric and its replicates are computed.

    Attributes:
        exact: counts at every distinct key of a lesion voxel.
        patients: counts of each patient at shared keys, among them the lowest key of every bin.
    """

    exact: RankCounts
    patients: PatientCounts

    def value(self) -> MetricValue:
        """The metric. Undefined: `no_positive`, or `no_equal_intensity` if no bin has enough voxels of both kinds."""
        if not self.exact.n_positive:
            return undefined("no_positive")
        if not self._usable.any():
            return undefined("no_equal_intensity")
        counts, (_, healthy) = self.exact, self._in_bins(self._once)
        at = np.diff(counts.tp, prepend=0)[None]
        return MetricValue(float(self._area(at, (counts.tied / 2 - counts.fp)[None], counts.scores, healthy)[0]))

    def replicates(self, resamples: Resamples) -> Values:
        """Values (R,) for rows of patient weights, corrected for the effect of binning on the exact value."""
        fp = self.patients.voxels - self.patients.positives  # (n, K)
        at, tied = (np.diff(counts, axis=1, prepend=0) for counts in (self.patients.positives, fp))
        binned = partial(self._binned, at.astype(np.float64), tied / 2 - fp)
        return in_blocks(binned, resamples.weights) + (self.value().value - binned(self._once))

    def _binned(self, at: Values, lower: Values, weights: Values) -> Values:
        """The metric (R,) for rows of weights, with scores between two shared keys treated as tied."""
        return self._area(weights @ at, weights @ lower, self.patients.thresholds, self._in_bins(weights)[1])

    def _area(self, at: Any, lower: Any, keys: NDArray[np.floating[Any]], healthy: Values) -> Values:
        """Mean share (R,) of the healthy voxels of its bin that a lesion voxel exceeds, ties counted one half.

        Args:
            at: (R, K) lesion voxels at each key, highest key first.
            lower: (R, K) minus the healthy voxels at or above each key, over all bins, and half of those at it.
            keys: (K,).
            healthy: (R, B) healthy voxels of each bin.
        """
        bins = _bin_of(keys)
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        of_bins = bins[starts]
        lesions, within = np.add.reduceat(at, starts, axis=1), healthy[:, of_bins]
        higher = (np.cumsum(healthy[:, ::-1], axis=1)[:, ::-1] - healthy)[:, of_bins]
        exceeded = np.add.reduceat(at * lower, starts, axis=1) + lesions * (within + higher)
        counted = self._usable[of_bins] & (within > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Values = np.where(counted, exceeded / within, 0).sum(axis=1) / (lesions * counted).sum(axis=1)
        return mean

    @property
    def _once(self) -> Values:
        """Weights (1, n) of the patients themselves."""
        return np.ones((1, self.patients.n_patients))

    @property
    def _usable(self) -> NDArray[np.bool_]:
        """Bins (B,) with enough voxels of both kinds."""
        enough: NDArray[np.bool_] = np.minimum(*self._in_bins(self._once))[0] >= LEAST_VOXELS
        return enough

    def _in_bins(self, weights: Values) -> tuple[Values, Values]:
        """Lesion and healthy voxels (R, B) of each bin, for rows of weights."""
        bins = _bin_of(self.patients.thresholds)
        floors = np.flatnonzero(np.diff(bins, append=-1))[::-1]  # position of the lowest key of each bin
        lesions, voxels = (
            -np.diff(weights @ table[:, floors], axis=1, append=0)
            for table in (self.patients.positives, self.patients.voxels)
        )
        return lesions, voxels - lesions


def shared_keys(counts: RankCounts, limits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Keys (K,), highest first: some that split lesion voxels evenly, the next above each, and each bin's lowest."""
    shared = shared_thresholds(counts, bins=SHARED)
    return np.unique(np.concatenate([shared, shared + 1, STEP * np.arange(limits.size + 1)]))[::-1]


def _bin_of(keys: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    return (keys // STEP).astype(np.int64)
