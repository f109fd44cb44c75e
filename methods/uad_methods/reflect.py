"""REFLECT: a rectified flow carries slices with synthetic anomalies straight to healthy ones; what moves is the score.

Beizaee et al. (2025), "REFLECT: rectified flows for efficient brain anomaly correction transport". Here in pixels,
without the source's latent auto-encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.corruption import Range, rough_ellipses, speckle, uniform
from uad_methods.networks import Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.reconstructing import ResidualMethod

TICKS = 1000  # of the flow's unit of time, which the network's embedding counts in

MOST = 4  # objects in a slice; k of them with odds of 1 / k
UNTOUCHED = 0.1  # share of slices that stay healthy
OPACITY = 0.2, 1.0  # of an object


@dataclass(kw_only=True)
class Reflect(ResidualMethod):
    """score = residual of x and the end of the flow that starts at x.

    Attributes:
        unet: size of the network.
        radii: of the objects' half axes, smallest and largest, as shares of the slice's side.
        steps: Euler steps, and network calls, from the slice to its correction.
        limit: largest residual that counts, in units of the scaled intensity; None cuts nothing.
    """

    excused_checks: ClassVar[Mapping[str, str]] = {
        "polarity": "the velocity starts at zero, and the check's few steps teach it no direction"
    }
    unet: UNetShape = SMALL
    radii: Range = (0.03, 0.2)
    steps: int = 1
    limit: float | None = None
    healthy_: tuple[float, float] = field(init=False, repr=False, compare=False)

    @property
    def network_calls_per_slice(self) -> int:
        return self.steps

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"velocity": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        sample = self.ready(self.start(train, compute))
        brain = sample.image[sample.brain_mask]
        self.healthy_ = float(brain.mean()), float(brain.std())
        self.learn("velocity", self._loss, train, budget)
        return self

    def restore(self, batch: SliceBatch) -> Tensor:
        z = batch.image
        for k in range(self.steps):
            z = z + self.predict("velocity", z, TICKS * k // self.steps) / self.steps
        return z

    def score_and_reconstruct(self, batch: SliceBatch) -> tuple[Tensor, Tensor]:
        scores, x_hat = super().score_and_reconstruct(batch)
        return scores if self.limit is None else scores.clamp(max=self.limit), x_hat

    def corrupt(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """z_0 = sqrt(1 - m) z_1 + sqrt(m) r for healthy slices z_1, opacities m and textures r.

        Slices and textures are centred at the healthy brain's mean, and textures have its spread.
        """
        n, (mean, spread) = len(batch), self.healthy_
        z, taken = batch.image - mean, torch.zeros_like(batch.brain_mask)
        objects = self._count(n, generator)
        for k in range(MOST):
            shape = (
                rough_ellipses(batch.brain_mask, generator, radii=self.radii, roughness=0.4).bool()
                & (k < objects)
                & ~taken
            )
            m = uniform(n, OPACITY, generator) * shape
            z = (1 - m).sqrt() * z + m.sqrt() * spread * self._texture(z, generator)
            taken = taken | shape
        return z + mean

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Squared error of the velocity z_1 - z_0 on the straight way from z_0 to z_1."""
        z_1, z_0 = batch.image, self.corrupt(batch, generator)
        t = uniform(len(z_1), (0, 1), generator)
        velocity = self.networks_["velocity"](torch.lerp(z_0, z_1, t), TICKS * t.flatten())
        return F.mse_loss(velocity, z_1 - z_0)

    def _count(self, n: int, generator: torch.Generator) -> Tensor:
        """Objects in each slice, (N, 1, 1, 1): 0, or k with odds of 1 / k."""
        odds = 1 / torch.arange(1, MOST + 1, device=generator.device)
        counts = 1 + torch.multinomial(odds.expand(n, -1), 1, generator=generator)
        return counts[:, :, None, None] * (uniform(n, (0, 1), generator) >= UNTOUCHED)

    def _texture(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Speckle, or grey with white noise in random proportion; each for half of the slices."""
        n = len(z)
        grey, noise = (torch.randn(n, 1, *s, generator=generator, device=z.device) for s in ((1, 1), z.shape[2:]))
        a = uniform(n, (0, 1), generator)
        grainy = a.sqrt() * grey + (1 - a).sqrt() * noise
        return torch.where(uniform(n, (0, 1), generator) < 0.5, grey + UNEVEN * speckle(z, generator), grainy)


UNEVEN = 0.5  # standard deviation of speckle about its grey, in units of the healthy brain's
