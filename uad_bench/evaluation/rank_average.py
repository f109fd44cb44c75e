"""The rank average of several runs' score maps: an ensemble that needs no training.

A score is replaced by its rank among the scores of *all* validation and test patients of its run, not among those of
its own volume. Ranks within a volume would give every patient the same distribution of scores: a healthy patient would
have as many high ones as a patient with a lesion, and a threshold would mark the same share of each brain. Validation
patients share the ranks, so that thresholds chosen on them hold for test patients. No label is used.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.reference import Reference

ScoreMap = NDArray[np.float32]
Read = Callable[[str], ScoreMap]
MOST = 1 << 24
"""Scores kept to rank others among; float32 ranks cannot be finer. Of more, every k-th of each patient is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRanks:
    """Scores of the brain voxels of several patients, ascending."""

    ordered: ScoreMap

    @classmethod
    def over(cls, read: Read, references: Mapping[str, Reference], subjects: Sequence[str]) -> Self:
        """The scores of these patients in one run's maps."""
        total = sum(int(references[name].brain.sum()) for name in subjects)
        step = max(1, math.ceil(total / MOST))
        kept = [np.sort(brain_scores(read(name), references[name]))[step // 2 :: step] for name in subjects]
        return cls(np.sort(np.concatenate(kept)))

    def __call__(self, scores: ScoreMap) -> NDArray[np.float64]:
        """The share of the scores below each of these, ties counted half: 0 to 1, of the same shape."""
        below = np.searchsorted(self.ordered, scores, side="left")
        not_above = np.searchsorted(self.ordered, scores, side="right")
        ranks: NDArray[np.float64] = (below + not_above) / (2 * self.ordered.size)
        return ranks


def brain_scores(score_map: ScoreMap, reference: Reference) -> ScoreMap:
    """Scores (V,) of the brain's voxels."""
    return reference.crop(score_map)[reference.brain]


def average_ranks(reads: Sequence[Read], references: Mapping[str, Reference], subjects: Sequence[str]) -> Read:
    """A function that returns the rank-averaged map of a patient, (X, Y, Z) float32.

    Args:
        references: of these patients; only the brain is used.
        subjects: validation and test patients.
    """
    ranks = [ScoreRanks.over(read, references, subjects) for read in reads]

    def combined(subject: str) -> ScoreMap:
        each = [of(read(subject)) for of, read in zip(ranks, reads, strict=True)]
        mean: ScoreMap = np.mean(each, axis=0).astype(np.float32)
        return mean

    return combined
