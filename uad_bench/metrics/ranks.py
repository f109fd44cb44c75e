"""Exact counts for every threshold-free metric, accumulated per patient in bounded memory.

Recall changes only at the scores of positives, and precision can peak only there. Hence average precision, AUROC and
the best Dice over *every* threshold need only the numbers of positives and negatives at and above each distinct
positive score. Anomalous voxels are few: a first pass gathers their scores, a second counts all voxels below and at
each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import DataError
from uad_bench.metrics.validity import require_scores

Voxels = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Scores (V,) float32 and anomaly mask (V,) bool of one patient's brain voxels, in any order."""

_PIECE = 1 << 22  # fewest voxels sorted at once: 16 MiB
_VOXELS_PER_POSITIVE = 16  # where looking up every positive in a piece costs less than sorting it


@dataclass(frozen=True, slots=True, eq=False)
class RankCounts:
    """Number of voxels at and above each distinct score of a positive, highest score first.

    Attributes:
        scores: (K,) distinct scores (or keys) of positives, descending; -0.0 and 0.0 are one score.
        tp: (K,) int64 positives with a score >= `scores[k]`.
        fp: (K,) int64 negatives with a score >= `scores[k]`.
        tied: (K,) int64 negatives with a score == `scores[k]`.
        n_positive: all positives, also `tp[-1]`.
        n_negative: all negatives.
    """

    scores: NDArray[np.floating[Any]]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    tied: NDArray[np.int64]
    n_positive: int
    n_negative: int

    @property
    def n_voxels(self) -> int:
        return self.n_positive + self.n_negative


def count_ranks(patients: Callable[[], Iterable[Voxels]], *, names: Sequence[str] = ()) -> RankCounts:
    """Exact counts over all voxels of all patients, in memory O(positives + one patient).

    Args:
        patients: called twice; each time yields the same patients in any order.
        names: for messages, in the order of the patients.

    Raises:
        MethodError: scores of a patient are not finite (`nonfinite`) or of another type or shape (`bad_output`).
        DataError: no voxel at all (`empty_domain`), or the second pass differs from the first.
    """
    positives, n_voxels = _gather_positives(patients(), names)
    if n_voxels == 0:
        raise DataError("empty_domain: no voxel to score; check the brain masks and the slice range")
    positives.sort()
    ascending, at = _distinct(positives)
    below, equal, n_seen = _count_voxels(patients(), ascending, most=n_voxels)
    if n_seen != n_voxels:
        raise DataError(f"patients gave {n_voxels} voxels, then {n_seen}; the callable must start anew each time")
    tp = np.cumsum(at[::-1])
    return RankCounts(
        scores=ascending[::-1],
        tp=tp,
        fp=(n_voxels - below)[::-1] - tp,
        tied=(equal - at)[::-1],
        n_positive=positives.size,
        n_negative=n_voxels - positives.size,
    )


def count_ranks_of(scores: NDArray[np.float32], anomaly: NDArray[np.bool_], *, name: str = "patient") -> RankCounts:
    """`count_ranks` of voxels in memory: scores (V,) float32, anomaly (V,) bool."""
    return count_ranks(lambda: [(scores, anomaly)], names=(name,))


def _gather_positives(patients: Iterable[Voxels], names: Sequence[str]) -> tuple[NDArray[np.floating[Any]], int]:
    """Scores of all positives, unsorted, and the number of all voxels."""
    found: list[NDArray[np.floating[Any]]] = [np.empty(0, np.float32)]
    n_voxels = 0
    for number, (scores, anomaly) in enumerate(patients):
        require_scores(scores, shape=(anomaly.size,), name=names[number] if names else f"patient {number}")
        found.append(scores[anomaly])
        n_voxels += scores.size
    return np.concatenate(found), n_voxels


def _distinct(ordered: NDArray[np.floating[Any]]) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """Distinct values of an ordered array and how often each occurs."""
    new = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])  # a difference could overflow or vanish
    first = np.flatnonzero(new)
    return ordered[first], np.diff(first, append=ordered.size)


def _count_voxels(
    patients: Iterable[Voxels], ascending: NDArray[np.floating[Any]], *, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Voxels below and at each ascending score (K,), and how many voxels there were."""
    below, equal = np.zeros(ascending.size, np.int64), np.zeros(ascending.size, np.int64)
    n_seen = 0
    size = min(most, max(_PIECE, _VOXELS_PER_POSITIVE * ascending.size))
    for piece in _ordered_pieces(patients, np.empty(size, ascending.dtype)):
        first = np.searchsorted(piece, ascending)
        below += first
        met = np.flatnonzero(piece.take(first, mode="clip") == ascending)
        equal[met] += np.searchsorted(piece, ascending[met], side="right") - first[met]
        n_seen += piece.size
    return below, equal, n_seen


def _ordered_pieces(
    patients: Iterable[Voxels], buffer: NDArray[np.floating[Any]]
) -> Iterator[NDArray[np.floating[Any]]]:
    """All scores in ascending pieces of the buffer's size; each piece is overwritten by the next."""
    size, filled = buffer.size, 0
    for whole, _ in patients:
        scores = whole
        while scores.size:
            taken = scores[: size - filled]
            buffer[filled : filled + taken.size] = taken
            filled, scores = filled + taken.size, scores[taken.size :]
            if filled == size:
                buffer.sort()
                yield buffer
                filled = 0
    if filled:
        buffer[:filled].sort()
        yield buffer[:filled]
