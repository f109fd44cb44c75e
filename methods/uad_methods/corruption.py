"""Synthetic anomalies in healthy slices: where they lie, what they look like, and how they enter the slice.

Every function takes and returns a batch, on the device of its generator, and draws for all slices at once. Shapes are
(N, 1, H, W): 1 inside an anomaly, 0 outside and wherever there is no brain, between them where an edge is soft.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from uad_bench.method import SliceKey
from uad_methods.noise import coarse_noise

Range = tuple[float, float]

# Draws


def uniform(n: int, between: Range, generator: torch.Generator) -> Tensor:
    """One number for each of n slices, (N, 1, 1, 1)."""
    low, high = between
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator, device=generator.device)


def signs(n: int, generator: torch.Generator) -> Tensor:
    """1 or -1 for each of n slices with equal odds, (N, 1, 1, 1): brighter or darker."""
    return 1 - 2.0 * (uniform(n, (0, 1), generator) < 0.5)


def brain_pixels(brain: Tensor, generator: torch.Generator) -> Tensor:
    """A random pixel (y, x) of each brain (N, 1, H, W), as (N, 2); of a slice without brain, any."""
    draws = torch.rand(brain.shape, generator=generator, device=generator.device)
    place = (draws + brain).flatten(1).argmax(dim=1)
    return torch.stack([place // brain.shape[-1], place % brain.shape[-1]], dim=1)


# Shapes


def ellipses(size: Sequence[int], centres: Tensor, radii: Tensor, angles: Tensor | None = None) -> Tensor:
    """Squared distance of each pixel from a centre, 1 on the ellipse around it.

    Args:
        size: height and width.
        centres: (y, x) in pixels, (N, 2).
        radii: half axes in pixels, (N, 2).
        angles: by which the axes are turned, in radians, (N,).
    """
    y, x = _offsets(size, centres, angles)
    return (y / _column(radii[:, 0])).square() + (x / _column(radii[:, 1])).square()


def rough_ellipses(brain: Tensor, generator: torch.Generator, *, radii: Range, roughness: float) -> Tensor:
    """Ellipses with irregular edges around random pixels of the brain.

    Args:
        brain: (N, 1, H, W) bool.
        generator: draws centres, half axes, angles and edges.
        radii: smallest and largest half axis, as shares of the slice's shorter side; drawn evenly on a log scale.
        roughness: standard deviation of the noise that moves the edge, in units of the squared radius.
    """
    n, _, *size = brain.shape
    low, high = (math.log(r * min(size)) for r in radii)
    axes = torch.cat([uniform(n, (low, high), generator), uniform(n, (low, high), generator)], dim=1)[:, :, 0, 0].exp()
    angles = uniform(n, (0, torch.pi), generator).flatten()
    distance = ellipses(size, brain_pixels(brain, generator), axes, angles)
    edge = roughness * coarse_noise(brain.shape, grid=EDGE_GRID, generator=generator)
    return ((distance + edge <= 1) & brain).float()


def squares(size: Sequence[int], centres: Tensor, half_widths: Tensor, angles: Tensor | None = None) -> Tensor:
    """Rectangles: 1 within half a width of a centre along both axes, (N, 1, H, W).

    Args:
        size: height and width.
        centres: (y, x) in pixels, (N, 2).
        half_widths: in pixels, (N, 2); a pixel is inside from -half to just below half.
        angles: as of `ellipses`.
    """
    (y, x), (tall, wide) = _offsets(size, centres, angles), map(_column, half_widths.unbind(1))
    return ((-tall <= y) & (y < tall) & (-wide <= x) & (x < wide)).float()


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each slice (N, 1, H, W) by a standard deviation of its own, (N,) pixels; 0 leaves it alone."""
    down, across = (_gaussian(length, sigma) for length in image.shape[-2:])
    with _full_precision(image):
        return (down @ image[:, 0] @ across.mT)[:, None]


# Textures


def partners(keys: Sequence[SliceKey], device: torch.device | str = "cpu") -> Tensor:
    """For each slice of a batch the place (N,) of the one nearest in height among those of other patients.

    A batch of one patient takes any other slice; ties go to the next in line.
    """
    n = len(keys)

    def order(i: int, j: int) -> tuple[bool, bool, int, int]:
        same = keys[i].subject_id == keys[j].subject_id
        return i == j, same, abs(keys[i].z - keys[j].z), (j - i) % n

    nearest = [min(range(n), key=lambda j: order(i, j)) for i in range(n)]
    return torch.tensor(nearest).to(device, non_blocking=True)


def match_range(texture: Tensor, image: Tensor, shape: Tensor) -> Tensor:
    """The texture, shifted and scaled to the image's smallest and largest value inside the shape; all (N, 1, H, W)."""
    (low, high), (least, most) = (_range(values, shape > 0) for values in (texture, image))
    return (texture - low) / (high - low).clamp(min=1e-3) * (most - least) + least


def speckle(image: Tensor, generator: torch.Generator) -> Tensor:
    """Noise like each slice (N, 1, H, W), of mean 0 and standard deviation 1, with a grain of its own."""
    low, high = (math.log(grain * min(image.shape[-2:])) for grain in GRAINS)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    noise = blur(noise, uniform(len(image), (low, high), generator).flatten().exp())
    return (noise - noise.mean(dim=(2, 3), keepdim=True)) / noise.std(dim=(2, 3), keepdim=True).clamp(min=TINY)


def tissues(image: Tensor, shape: Tensor, centroids: Tensor, generator: torch.Generator) -> Tensor:
    """Some of the tissues in a slice, (N, 1, H, W) float: pixels whose nearest of K grey centroids was chosen.

    A centroid is chosen with odds equal to its share of the shape, less in small ones; where none is, all are. Naval
    Marimont et al. (2024).

    Args:
        image: (N, 1, H, W).
        shape: likewise.
        centroids: ascending, (K,).
        generator: chooses.
    """
    nearest = torch.bucketize(image.contiguous(), (centroids[1:] + centroids[:-1]) / 2).flatten(1)  # (N, HW)
    inside = torch.zeros(len(image), len(centroids), device=image.device)
    inside = inside.scatter_add(1, nearest, (shape > 0).float().flatten(1))
    odds = inside / (inside.sum(dim=1, keepdim=True) + SMALL * nearest.shape[1])
    chosen = torch.rand(odds.shape, generator=generator, device=image.device) < odds
    chosen |= ~chosen.any(dim=1, keepdim=True)
    return chosen.gather(1, nearest).view(image.shape).float()


# Blending


def poisson_blend(image: Tensor, texture: Tensor, inside: Tensor, share: Tensor, *, iterations: int = 0) -> Tensor:
    """Images whose edges inside a shape are mixed from a texture's, and whose values join the surroundings.

    Inside, neighbouring pixels differ as in (1 - share) image or as in share x texture, whichever differ more; on the
    rim the image stands. Pérez et al. (2003), Eq. 12 and 13; mixed by a share as Tan et al. (2021). Conjugate gradients
    solve the linear system.

    Args:
        image: (N, 1, H, W).
        texture: likewise.
        inside: likewise, bool; pixels at the border of the slice are left alone.
        share: of the texture, (N, 1, 1, 1).
        iterations: of the solver; 0 takes as many as the slice's longer side has pixels.
    """
    inside = inside & F.pad(torch.ones_like(inside[..., 1:-1, 1:-1]), (1, 1, 1, 1))
    ours, theirs = _differences((1 - share) * image), _differences(share * texture)
    guide = torch.where(ours.abs() > theirs.abs(), ours, theirs).sum(dim=0)
    outside = image.masked_fill(inside, 0)
    target = (guide - _differences(outside).sum(dim=0)) * inside
    return outside + _solve(target, inside, iterations or max(image.shape[-2:]))


def _solve(target: Tensor, inside: Tensor, iterations: int) -> Tensor:
    """f, zero outside, with 4 f(p) - sum of f over the neighbours of p = target(p) inside. Conjugate gradients."""
    f, rest = torch.zeros_like(target), target
    direction, size = rest, _dot(rest, rest)
    stencil = target.new_zeros(1, 1, 3, 3)  # filled on the device; numbers from the host would have to wait for it
    stencil[..., 1, :] = stencil[..., :, 1] = -1
    stencil[..., 1, 1] = 4
    for _ in range(iterations):
        with _full_precision(target):
            image = F.conv2d(direction, stencil, padding=1) * inside
        step = size / _dot(direction, image).clamp(min=TINY)
        f, rest = f + step * direction, rest - step * image
        before, size = size, _dot(rest, rest)
        direction = rest + size / before.clamp(min=TINY) * direction
    return f


EDGE_GRID = 16  # points per side of the noise that makes edges irregular
GRAINS = 1 / 128, 1 / 8  # standard deviation of the blur that makes a texture's grain, as a share of the slice's side
SMALL = 1000 / 128**2  # share of a slice that counts as tissue not chosen
TINY = 1e-20


def _offsets(size: Sequence[int], centres: Tensor, angles: Tensor | None) -> tuple[Tensor, Tensor]:
    """Of each pixel from a centre, along both axes, each (N, 1, H, W)."""
    height, width = size
    y = torch.arange(height, device=centres.device)[:, None] - _column(centres[:, 0])
    x = torch.arange(width, device=centres.device) - _column(centres[:, 1])
    if angles is None:
        return y.expand(-1, -1, -1, width), x.expand(-1, -1, height, -1)
    cos, sin = _column(angles.cos()), _column(angles.sin())
    return cos * y + sin * x, cos * x - sin * y


def _full_precision(image: Tensor) -> torch.autocast:
    """Products in float32 although training computes in bfloat16."""
    return torch.autocast(image.device.type, enabled=False)


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _gaussian(length: int, sigma: Tensor) -> Tensor:
    """Rows of weights that blur a line of pixels, (N, length, length)."""
    places = torch.arange(length, device=sigma.device)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / sigma.clamp(min=1e-3)[:, None, None]).square())
    return weights / weights.sum(dim=2, keepdim=True)


def _range(values: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each slice where a mask holds, (N, 1, 1, 1); 0 and 0 where it holds nowhere."""
    empty = ~where.any(dim=(2, 3), keepdim=True)
    low = values.masked_fill(~where, torch.inf).amin(dim=(2, 3), keepdim=True).masked_fill(empty, 0)
    high = values.masked_fill(~where, -torch.inf).amax(dim=(2, 3), keepdim=True).masked_fill(empty, 0)
    return low, high


def _differences(image: Tensor) -> Tensor:
    """Of each pixel to its four neighbours, (4, N, 1, H, W); beyond the border lies 0."""
    padded = F.pad(image, (1, 1, 1, 1))
    around = padded[..., :-2, 1:-1], padded[..., 2:, 1:-1], padded[..., 1:-1, :-2], padded[..., 1:-1, 2:]
    return image - torch.stack(around)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2, 3), keepdim=True)
