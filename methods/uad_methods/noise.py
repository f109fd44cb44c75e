"""Noise with shape: coarse blobs (Kascenas et al., 2022) and octaves of simplex noise (Wyatt et al., 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 0.5  # squared distance, in wavelengths, at which the influence of a lattice point ends; more would leave seams
OCTAVE_STD = 0.31  # standard deviation of one octave, as measured of the source's generator
PEAK = 60.8  # brings an octave to that
SIGNS = ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
EDGES = torch.tensor(sorted({edge for pair in SIGNS for edge in permutations((*pair, 0.0))}))
"""Gradients that a lattice point may have: from a cube's centre to the middles of its edges, (12, 3)."""
LANES = 8  # fields computed at once cost as much as one


def coarse_noise(shape: Sequence[int], *, grid: int, generator: torch.Generator) -> Tensor:
    """Normal noise (N, C, H, W) from a grid x grid lattice, enlarged bilinearly and shifted in a circle at random."""
    n, channels, height, width = shape
    device = generator.device
    lattice = torch.randn(n, channels, grid, grid, generator=generator, device=device)
    noise = F.interpolate(lattice, (height, width), mode="bilinear")
    down = torch.randint(height, (n,), generator=generator, device=device).tolist()
    right = torch.randint(width, (n,), generator=generator, device=device).tolist()
    return torch.stack([torch.roll(noise[i], (down[i], right[i]), dims=(1, 2)) for i in range(n)])


def simplex_noise(
    seeds: Sequence[int],
    size: tuple[int, int],
    *,
    octaves: int = 6,
    persistence: float = 0.8,
    wavelength: float = 64.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Planes (N, H, W) of three-dimensional simplex noise, one per seed, whatever the other seeds are.

    A plane is sum_i persistence^i s(x / nu_i, y / nu_i, z_i) with wavelengths nu_i = wavelength / 2^i in pixels.
    Simplex noise is linear in the gradients of its lattice points, and the points around a pixel are the same for
    every seed. So they are found once, and a plane is one weighted sum per pixel of freshly drawn gradients. It is
    cut from a larger plane at a random place, so that no pixel is always near a lattice point.
    """
    margin = math.ceil(wavelength)
    large = (size[0] + margin, size[1] + margin)
    lattice = _lattice(large, octaves=octaves, persistence=persistence, wavelength=wavelength).to(device)
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    edges = torch.stack([_draw_edges(lattice.points, draw) for draw in draws], dim=1).to(device)  # (points, N)
    table = EDGES.T.to(device)[:, F.pad(edges, (0, -len(seeds) % LANES))].flatten(0, 1)  # (3 points, lanes)
    planes = F.embedding_bag(lattice.rows, table, per_sample_weights=lattice.weights, mode="sum")  # (pixels, lanes)
    cuts = [torch.randint(margin + 1, (2,), generator=draw).tolist() for draw in draws]
    return torch.stack(
        [
            plane.reshape(large)[y : y + size[0], x : x + size[1]]
            for plane, (y, x) in zip(planes.T[: len(seeds)], cuts, strict=True)
        ]
    )


def simplex_std(*, octaves: int, persistence: float) -> float:
    """Standard deviation of `simplex_noise` over pixels and seeds; octaves are independent."""
    return OCTAVE_STD * math.sqrt(sum(persistence ** (2 * i) for i in range(octaves)))


def _draw_edges(points: int, draw: torch.Generator) -> Tensor:
    return torch.randint(len(EDGES), (points,), generator=draw)


class _Lattice(NamedTuple):
    """Which gradients make a pixel: row k points + p of the gradient table is component k of lattice point p."""

    rows: Tensor  # (HW, octaves x 4 corners x 3 components) int64
    weights: Tensor  # likewise, float32
    points: int

    def to(self, device: torch.device | str) -> _Lattice:
        return _Lattice(self.rows.to(device), self.weights.to(device), self.points)


@lru_cache(maxsize=2)
def _lattice(size: tuple[int, int], *, octaves: int, persistence: float, wavelength: float) -> _Lattice:
    places, weights, points = [], [], 0
    for i in range(octaves):
        corners, influence = _corners(size, wavelength / 2**i, z=(i + 1) * 0.381966)  # golden: no octave on the lattice
        names, point = torch.unique(_name(corners), return_inverse=True)  # (HW, 4)
        places.append(points + point)
        weights.append((persistence**i * PEAK * influence).flatten(1).float())
        points += len(names)
    rows = torch.cat(places, dim=1)[..., None] + points * torch.arange(3)  # (HW, 4 octaves, 3)
    return _Lattice(rows.flatten(1), torch.cat(weights, dim=1), points)


def _corners(size: tuple[int, int], wavelength: float, *, z: float) -> tuple[Tensor, Tensor]:
    """Lattice points (HW, 4, 3) around each pixel and the weights (HW, 4, 3) of their gradients' components.

    Space is skewed so that simplices are six to a cube; the order of a pixel's coordinates in its cube says which.
    """
    y, x = (torch.arange(length, dtype=torch.float64) / wavelength for length in size)
    p = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.full(size, z, dtype=torch.float64)], -1).view(-1, 3)
    cube = torch.floor(p + p.sum(1, keepdim=True) / 3)
    inside = p - _unskew(cube)
    rank = _rank(inside)
    corners = torch.stack([cube + (rank < k) for k in range(4)], dim=1)
    d = p[:, None] - _unskew(corners)
    influence = (REACH - d.square().sum(2, keepdim=True)).clamp(min=0) ** 4
    return corners.long(), influence * d


def _rank(inside: Tensor) -> Tensor:
    """Place of each coordinate (HW, 3) among the three of its point, largest first; of equals the first is larger."""
    mine, other = inside[:, :, None], inside[:, None, :]
    before = torch.ones(3, 3, dtype=torch.bool).tril(-1)
    return ((other > mine) | ((other == mine) & before)).sum(dim=2)


def _unskew(corners: Tensor) -> Tensor:
    return corners - corners.sum(-1, keepdim=True) / 6


def _name(corners: Tensor) -> Tensor:
    """One integer per lattice point."""
    shifted = corners + 2**19
    return (shifted[..., 0] * 2**20 + shifted[..., 1]) * 2**20 + shifted[..., 2]
