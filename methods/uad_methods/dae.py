"""Denoising auto-encoder with coarse noise.

Kascenas et al. (2022), "Denoising autoencoders for unsupervised anomaly detection in brain MRI".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.networks import Size
from uad_methods.nn.standardised_unet import StandardisedShape, StandardisedUNet
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.noise import coarse_noise
from uad_methods.reconstructing import ResidualMethod


@dataclass(kw_only=True)
class DAE(ResidualMethod):
    """score = residual of x and x_hat, the network's answer to the slice as it is; it learned to remove coarse blobs.

    Attributes:
        unet: size of the network.
        standardised: size of the source's own network, which takes the place of the other; None for the other.
        noise_std: of the coarse noise, in units of the scaled intensity.
        noise_grid: points per side of the grid that is interpolated to the slice.
    """

    unet: UNetShape = SMALL
    standardised: StandardisedShape | None = None
    noise_std: float = 1.2
    noise_grid: int = 16

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        network = StandardisedUNet(1, shape=self.standardised) if self.standardised else UNet(1, shape=self.unet)
        return {"denoiser": network}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("denoiser", self._loss, train, budget)
        return self

    def restore(self, batch: SliceBatch) -> Tensor:
        return self.predict("denoiser", batch.image)

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Squared error inside the brain, where the noise was added."""
        x, brain = batch.image, batch.brain_mask
        noise = self.noise_std * coarse_noise(x.shape, grid=self.noise_grid, generator=generator)
        x_hat = self.networks_["denoiser"](x + noise * brain)
        error: Tensor = (x_hat - x).square() * brain
        return error.sum() / brain.sum().clamp(min=1)
