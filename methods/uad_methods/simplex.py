"""Octaves of simplex noise, as AnoDDPM uses them (Wyatt et al., 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uad_bench.seeding import host_generator

REACH = 0.5  # squared distance, in wavelengths, at which the influence of a lattice point ends; more would leave seams
OCTAVE_STD = 0.31  # standard deviation of one octave, as measured of the source's generator
PEAK = 60.8  # brings an octave to that
SIGNS = ((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
EDGES = torch.tensor(sorted({edge for pair in SIGNS for edge in permutations((*pair, 0.0))}))
"""Gradients that a lattice point may have: from a cube's centre to the middles of its edges, (12, 3)."""
LANES = 8  # planes summed at once cost about as much as one
WORD = 4  # lattice points whose edges one random word of 64 bits chooses


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
    every seed. So they are found once, and all planes are one sparse matrix times freshly drawn gradients. A plane is
    cut from a larger one at a random place, so that no pixel is always near a lattice point.
    """
    margin = math.ceil(wavelength)
    large = (size[0] + margin, size[1] + margin)
    lattice = _lattice(large, str(device), octaves=octaves, persistence=persistence, wavelength=wavelength)
    draws = [torch.Generator(device).manual_seed(seed) for seed in seeds]
    choices = _choices(draws, lattice.points)
    cuts = [tuple(torch.randint(margin + 1, (2,), generator=host_generator(draw)).tolist()) for draw in draws]
    if has_numba() and torch.device(device).type == "cpu":
        return _compiled_planes(lattice, choices, large, cuts, size)
    planes = _planes(lattice, choices).view(len(draws), *large)
    return torch.stack([plane[y : y + size[0], x : x + size[1]] for plane, (y, x) in zip(planes, cuts, strict=True)])


def simplex_std(*, octaves: int, persistence: float) -> float:
    """Standard deviation of `simplex_noise` over pixels and seeds; octaves are independent."""
    return OCTAVE_STD * math.sqrt(sum(persistence ** (2 * i) for i in range(octaves)))


@cache
def has_numba() -> bool:
    """Whether the extra `fast` is installed."""
    return find_spec("numba") is not None


def _choices(draws: Sequence[torch.Generator], points: int) -> Tensor:
    """16 random bits (as int16) for each lattice point, (N, at least points)."""
    words = torch.empty(len(draws), -(-points // WORD), dtype=torch.int64, device=draws[0].device)
    for row, draw in zip(words, draws, strict=True):
        row.random_(-(2**63), None, generator=draw)
    return words.view(torch.int16)


def _planes(lattice: _Lattice, choices: Tensor) -> Tensor:
    """Sum of the weighted gradients around each pixel, (N, pixels).

    Of 65,536 choices each of the twelve edges has a twelfth, to 2e-4 of it.
    """
    edges = (choices[:, : lattice.points].int() & 0xFFFF) * len(EDGES) >> 16
    lanes = F.pad(edges.T, (0, -len(choices) % LANES)).contiguous()  # (points, lanes)
    components = [component.take(lanes.long()) for component in EDGES.T.to(choices.device, non_blocking=True)]
    table = torch.stack(components, dim=1).flatten(0, 1)  # (3 points, lanes)
    rows, weights, starts = lattice[:3]
    sums = F.embedding_bag(rows, table, starts, per_sample_weights=weights, mode="sum", include_last_offset=True)
    return sums.T[: len(choices)]  # of (pixels, lanes)


def _compiled_planes(
    lattice: _Lattice, choices: Tensor, large: tuple[int, int], cuts: Sequence[tuple[int, ...]], size: tuple[int, int]
) -> Tensor:
    """The same, of the cuts alone, (N, h, w)."""
    from uad_methods.simplex_compiled import pack_gradients, sum_gradients

    n = len(choices)
    gradients = np.empty((lattice.points, n), np.uint8)
    pack_gradients(choices.numpy().view(np.uint16), (EDGES + 1).byte().numpy(), gradients)
    matrix = (lattice.rows.numpy(), lattice.weights.numpy(), lattice.starts.numpy())
    planes = torch.empty(n, *size)
    sum_gradients(matrix, gradients, large[1], np.array(cuts), planes.numpy())
    return planes


class _Lattice(NamedTuple):
    """A sparse matrix: what the components of the lattice points' gradients add to each pixel of a plane."""

    rows: Tensor  # 3 p + c for component c of lattice point p, three times the corners of each pixel, (entries,) int64
    weights: Tensor  # likewise, float32
    starts: Tensor  # where each pixel's entries begin, and the end of all, (HW + 1,) int64
    points: int


@lru_cache(maxsize=2)
def _lattice(size: tuple[int, int], device: str, *, octaves: int, persistence: float, wavelength: float) -> _Lattice:
    names, weights, points = [], [], 0
    for i in range(octaves):
        corners, influence = _corners(size, wavelength / 2**i, z=(i + 1) * 0.381966)  # golden: no octave on the lattice
        unique, point = torch.unique(_name(corners), return_inverse=True)  # (HW, 4)
        names.append(points + point)
        weights.append((persistence**i * PEAK * influence).float())
        points += len(unique)
    weight = torch.cat(weights, dim=1)  # (HW, 4 octaves, 3)
    near = weight.any(dim=2)  # a fourth of a simplex's corners are out of reach
    rows = 3 * torch.cat(names, dim=1)[near][:, None] + torch.arange(3)
    starts = F.pad(3 * near.sum(dim=1).cumsum(0), (1, 0))
    return _Lattice(rows.flatten().to(device), weight[near].flatten().to(device), starts.to(device), points)


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
