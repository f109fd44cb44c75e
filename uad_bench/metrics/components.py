"""Connected components of a score map at many descending thresholds, each level grown from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]
"""One of each pair of opposite neighbours of a voxel, by face, edge or corner."""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedVoxels:
    """Voxels (n,) of a volume that are marked at some threshold, those of the highest threshold first.

    Attributes:
        places: (n,) index in the flattened volume.
        counts: (M,) number of voxels marked at each threshold.
        edges: (2, E) pairs of neighbouring voxels, as positions in `places`, in the order of the later of the two.
    """

    places: NDArray[np.int64]
    counts: NDArray[np.int64]
    edges: NDArray[np.int32]

    @classmethod
    def of(
        cls, scores: NDArray[np.float32], domain: NDArray[np.bool_], thresholds: NDArray[np.floating]
    ) -> MarkedVoxels:
        """Voxels of the domain (X, Y, Z) with a score of at least the last of the descending thresholds (M,)."""
        inside = np.flatnonzero(domain & (scores >= thresholds[-1])) if thresholds.size else np.empty(0, np.int64)
        levels = np.searchsorted(-thresholds, -scores.ravel()[inside])  # number of thresholds above each score
        order = np.argsort(levels, kind="stable")
        counts = np.searchsorted(levels[order], np.arange(thresholds.size), side="right")
        return cls(inside[order], counts, _edges(inside[order], scores.shape))

    def components(self) -> Iterator[NDArray[np.int32]]:
        """At each threshold, the number of the component of each marked voxel, (counts[k],)."""
        ends = np.searchsorted(self.edges.max(axis=0, initial=-1), self.counts)
        label, n_components, first, edge = np.empty(self.places.size, np.int32), 0, 0, 0
        for n, end in zip(self.counts, ends, strict=True):
            label[first:n] = np.arange(n_components, n_components + n - first)
            joined = _join(label[self.edges[:, edge:end]], n_components + int(n) - first)
            label[:n] = joined[label[:n]]
            n_components = int(joined.max(initial=-1)) + 1
            first, edge = int(n), int(end)
            yield label[:n]


def _join(edges: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Number of the component of each of `size` nodes, from edges (2, E); the root of a component is its first node."""
    root = np.arange(size, dtype=np.int32)
    while (edges := edges[:, edges[0] != edges[1]]).size:
        np.minimum.at(root, edges.max(axis=0), edges.min(axis=0))
        while (root != (nearer := root[root])).any():
            root = nearer
        edges = root[edges]
    return (np.cumsum(root == np.arange(size), dtype=np.int32) - 1)[root]


def _edges(places: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.int32]:
    """Pairs of neighbours among the voxels at these places, ordered by the later of the two."""
    padded = [n + 2 for n in shape]
    at = np.ravel_multi_index([i + 1 for i in np.unravel_index(places, shape)], padded)
    position = np.full(int(np.prod(padded)), -1, np.int32)
    position[at] = np.arange(places.size, dtype=np.int32)
    strides = (padded[1] * padded[2], padded[2], 1)
    pairs = [np.empty((2, 0), np.int32)]
    for step in NEIGHBOURS:
        other = position[at + sum(s * stride for s, stride in zip(step, strides, strict=True))]
        one = np.flatnonzero(other >= 0).astype(np.int32)
        pairs.append(np.stack([one, other[one]]))
    edges = np.concatenate(pairs, axis=1)
    return edges[:, np.argsort(edges.max(axis=0, initial=-1), kind="stable")]
