"""Octaves of simplex noise, as AnoDDPM uses them (Wyatt et al., 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import permutations
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 0.5  # squared distance, in wavelengths, at which the influence of a lattice point ends; more would leave seams
OCTAVE_STD = 0.31  # standard deviation of one octave, as measured of the source's generator
PEAK = 60.8  # brings an octave to that
SIGNS = ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
EDGES = torch.tensor(sorted({edge for pair in SIGNS for edge in permutations((*pair, 0.0))}))
"""Gradients that a lattice point may have: from a cube's centre to the middles of its edges, (12, 3)."""
PACKED_EDGES = ((EDGES + 1).to(torch.uint8) << torch.tensor([0, 2, 4], dtype=torch.uint8)).sum(1, dtype=torch.uint8)
"""The same in a byte each: components plus 1 in bits 0-1, 2-3 and 4-5, (12,)."""
LANES = 8  # fields computed at once cost as much as one


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
    shape: dict[str, Any] = {"octaves": octaves, "persistence": persistence, "wavelength": wavelength}
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    points = _lattice(large, **shape).points
    edges = torch.stack([torch.randint(len(EDGES), (points,), generator=draw) for draw in draws])  # (N, points)
    cuts = [tuple(torch.randint(margin + 1, (2,), generator=draw).tolist()) for draw in draws]
    if has_numba() and torch.device(device).type == "cpu":
        return _compiled_planes(_rows_of_corners(large, **shape), edges, cuts, size)
    planes = _planes(_lattice_on(str(device), large, **shape), edges.to(device)).view(len(draws), *large)
    return torch.stack([plane[y : y + size[0], x : x + size[1]] for plane, (y, x) in zip(planes, cuts, strict=True)])


def simplex_std(*, octaves: int, persistence: float) -> float:
    """Standard deviation of `simplex_noise` over pixels and seeds; octaves are independent."""
    return OCTAVE_STD * math.sqrt(sum(persistence ** (2 * i) for i in range(octaves)))


@cache
def has_numba() -> bool:
    """Whether the extra `fast` is installed."""
    return find_spec("numba") is not None


def _planes(lattice: _Lattice, edges: Tensor) -> Tensor:
    """Sum of the weighted gradients around each pixel: edges (N, points) to (N, pixels)."""
    lanes = F.pad(edges.T, (0, -len(edges) % LANES))  # (points, lanes)
    table = EDGES.T.to(edges.device)[:, lanes].flatten(0, 1)  # (3 points, lanes)
    sums = F.embedding_bag(lattice.rows, table, per_sample_weights=lattice.weights, mode="sum")  # (pixels, lanes)
    return sums.T[: len(edges)]


def _compiled_planes(
    corners: tuple[Tensor, Tensor], edges: Tensor, cuts: Sequence[tuple[int, ...]], size: tuple[int, int]
) -> Tensor:
    """The same, of the cuts alone, (N, h, w)."""
    from uad_methods.simplex_compiled import sum_gradients

    points, weights = (part.numpy() for part in corners)
    gradients = PACKED_EDGES[edges].numpy()
    planes = torch.empty(len(edges), *size)
    for plane, gradient, cut in zip(planes, gradients, cuts, strict=True):
        sum_gradients(points, weights, gradient, cut, plane.numpy())
    return planes


class _Lattice(NamedTuple):
    """Which gradients make a pixel: row k points + p of the gradient table is component k of lattice point p."""

    rows: Tensor  # (HW, octaves x 4 corners x 3 components) int64
    weights: Tensor  # likewise, float32
    points: int


@lru_cache(maxsize=2)
def _lattice_on(device: str, size: tuple[int, int], **shape: Any) -> _Lattice:
    lattice = _lattice(size, **shape)
    return _Lattice(lattice.rows.to(device), lattice.weights.to(device), lattice.points)


@lru_cache(maxsize=2)
def _rows_of_corners(
    size: tuple[int, int], *, octaves: int, persistence: float, wavelength: float
) -> tuple[Tensor, Tensor]:
    """The lattice as compiled code reads it, row by row: points (H, corners, W) and weights (H, corners, 3, W)."""
    lattice = _lattice(size, octaves=octaves, persistence=persistence, wavelength=wavelength)
    corners = lattice.rows.shape[1] // 3
    points = lattice.rows.view(*size, corners, 3)[..., 0].permute(0, 2, 1)
    weights = lattice.weights.view(*size, corners, 3).permute(0, 2, 3, 1)
    return points.to(torch.uint32).contiguous(), weights.contiguous()


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
