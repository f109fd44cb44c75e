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
class Components:
    """Components of the first voxels of a list at one threshold. The next threshold changes the same arrays.

    Attributes:
        parent: (n,) another voxel of the component; the root of a component is its own parent.
        sizes: (n,) voxels of the component at its root; 0 at all others.
    """

    parent: NDArray[np.int32]
    sizes: NDArray[np.int32]

    def root(self, voxels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The root of the component of each voxel (...)."""
        found = self.parent[voxels]
        while (found != (nearer := self.parent[found])).any():
            found = nearer
        self.parent[voxels] = found
        return found

    def join(self, edges: NDArray[np.int32]) -> None:
        """Join the components of neighbours, edges (2, E)."""
        edges = self.root(edges)
        while (edges := edges[:, edges[0] != edges[1]]).size:
            old = edges.max(axis=0)
            self.parent[old] = edges.min(axis=0)  # of several edges the last one counts, the others are joined later
            moved = np.unique(old)
            np.add.at(self.sizes, self.root(moved), self.sizes[moved])
            self.sizes[moved] = 0
            edges = self.root(edges)


@dataclass(frozen=True, slots=True, eq=False)
class MarkedVoxels:
    """Voxels (n,) of a volume that are marked at some threshold, those of the highest threshold first.

    Attributes:
        places: (n,) index in the flattened volume.
        counts: (M,) number of voxels marked at each threshold.
        edges: (2, E) pairs of neighbouring voxels, as positions in `places`, in the order of their threshold.
        edge_counts: (M,) number of pairs marked at each threshold.
    """

    places: NDArray[np.int64]
    counts: NDArray[np.int64]
    edges: NDArray[np.int32]
    edge_counts: NDArray[np.int64]

    @classmethod
    def of(
        cls, scores: NDArray[np.float32], domain: NDArray[np.bool_], thresholds: NDArray[np.floating]
    ) -> MarkedVoxels:
        """Voxels of the domain (X, Y, Z) with a score of at least the last of the descending thresholds (M,)."""
        inside = np.flatnonzero(domain & (scores >= thresholds[-1])) if thresholds.size else np.empty(0, np.int64)
        levels = np.searchsorted(-thresholds, -scores.ravel()[inside]).astype(np.uint16)  # thresholds above each score
        order = np.argsort(levels, kind="stable")  # by radix, as of all 16-bit numbers
        places, levels = inside[order], levels[order]
        edges = _edges(places, scores.shape)
        later = levels[edges.max(axis=0)]
        counts, edge_counts = (np.bincount(each, minlength=thresholds.size).cumsum() for each in (levels, later))
        return cls(places, counts, edges[:, np.argsort(later, kind="stable")], edge_counts)

    def components(self) -> Iterator[Components]:
        """The components at each threshold."""
        whole = Components(np.arange(self.places.size, dtype=np.int32), np.ones(self.places.size, np.int32))
        start = 0
        for n, end in zip(self.counts, self.edge_counts, strict=True):
            whole.join(self.edges[:, start:end])
            start = end
            yield Components(whole.parent[:n], whole.sizes[:n])


def _edges(places: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.int32]:
    """Pairs of neighbours (2, E) among the voxels at these places."""
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
    return np.concatenate(pairs, axis=1)
