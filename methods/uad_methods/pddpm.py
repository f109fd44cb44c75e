"""pDDPM: patched diffusion. Behrendt et al. (2023), arXiv 2303.03758.

A patch of a slice is noised and rebuilt while the model sees the rest of the brain as it is; the patches of a grid, one
after another, make a whole reconstruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_bench.seeding import derive, host_generator
from uad_methods.diffusion import at, cosine_betas, cumulative_alphas, q_sample
from uad_methods.networks import Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.reconstructing import ResidualMethod
from uad_methods.simplex import simplex_noise

T = 1000
ALPHA_BAR = cumulative_alphas(cosine_betas(T))
REFERENCE = 96  # pixels of the source's slices, for its wavelength


@dataclass(kw_only=True)
class PDDPM(ResidualMethod):
    """score = residual of x and the slice whose patches were each noised to t* and rebuilt in one step.

    Attributes:
        unet: size of the network.
        grid: patches per side of a slice.
        noise_level: time t* to which a patch is noised, 1 .. T.
        octaves: layers of simplex noise, each of half the wavelength of the one before.
        persistence: amplitude of a layer over that of the one before.
        wavelength: of the first layer, in pixels of a 96 x 96 slice; scaled with the slice.
    """

    unet: UNetShape = SMALL
    grid: int = 2
    noise_level: int = 500
    octaves: int = 6
    persistence: float = 0.8
    wavelength: float = 64.0

    @property
    def network_calls_per_slice(self) -> int:
        return self.grid**2

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"denoiser": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("denoiser", self._loss, train, budget)
        return self

    def restore(self, batch: SliceBatch) -> Tensor:
        x, t = batch.image, self.noise_level - 1
        noise = self._simplex([derive(self.compute_.seed, "noise", *key) for key in batch.keys], x)
        noised, x_hat = q_sample(x, noise, float(ALPHA_BAR[t])), torch.zeros_like(x)
        for patch in grid_patches(_size(x), self.grid).to(x.device):
            x_hat += patch * self.predict("denoiser", torch.where(patch, noised, x), t)
        return x_hat

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Absolute error of the predicted image inside one patch of each slice, where the noise is."""
        x, device = batch.image, generator.device
        patches = grid_patches(_size(x), self.grid).to(device, non_blocking=True)
        patch = patches[torch.randint(len(patches), (len(x),), generator=generator, device=device)]
        t = torch.randint(T, (len(x),), generator=generator, device=device)
        noise = self._simplex(torch.randint(2**62, (len(x),), generator=host_generator(generator)).tolist(), x)
        x_t = torch.where(patch, q_sample(x, noise, at(ALPHA_BAR, t)), x)
        error: Tensor = (self.networks_["denoiser"](x_t, t) - x).abs() * patch
        return error.sum() / patch.sum()

    def _simplex(self, seeds: Sequence[int], x: Tensor) -> Tensor:
        """Noise (N, 1, H, W) like x, a plane for each seed."""
        height, width = _size(x)
        noise = simplex_noise(
            seeds,
            (height, width),
            octaves=self.octaves,
            persistence=self.persistence,
            wavelength=self.wavelength * min(height, width) / REFERENCE,
            device=x.device,
        )
        return noise[:, None]


def grid_patches(size: Size, grid: int) -> Tensor:
    """Bool masks (grid^2, 1, H, W), True inside one patch each; together they cover a slice of this size once."""
    row, column = (torch.arange(length) * grid // length for length in size)  # the patch that a pixel lies in
    patches = (row[:, None] * grid + column[None, :])[None] == torch.arange(grid**2)[:, None, None]
    return patches[:, None]


def _size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]
