"""DISYRE: a network restores healthy slices from synthetic anomalies of known strength; what it changes is the score.

Naval Marimont et al. (2024), "Ensembled cold-diffusion restorations for unsupervised anomaly detection" (DISYRE v2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.corruption import (
    Range,
    blur,
    brain_pixels,
    ellipses,
    match_range,
    partners,
    rough_ellipses,
    signs,
    squares,
    tissues,
    uniform,
)
from uad_methods.diffusion import cumulative_alphas, times
from uad_methods.networks import Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.noise import roll
from uad_methods.reconstructing import ReconstructingMethod
from uad_methods.residual import residual_map

T = 100
STRENGTHS = cumulative_alphas(torch.linspace(1e-3, 0.2, T, dtype=torch.float64)).sqrt()
"""Strength of the anomaly that each time stands for, from 1 at time 0 down to 0: the square root of alpha_bar."""

SQUARES = 5 / 128, 22 / 128  # half sides, and radii of disks, as shares of the slice's side
IRREGULAR = 10 / 128, 32 / 128  # half axes of irregular shapes, likewise
SOFTNESS = 5 / 128  # largest standard deviation of the blur of an edge, likewise
SOFT, TURNED = 0.7, 0.5  # how often an edge is blurred, a square turned
TURN = math.radians(15)  # at most


@dataclass(kw_only=True)
class Disyre(ReconstructingMethod):
    """score = mean residual of x and its restorations, each as if an anomaly of another strength were in it.

    Attributes:
        unet: size of the network.
        span: the change of intensity that is a strength of one, in the networks' units: background to bright brain.
        centroids: grey levels by which tissues are told apart, in the networks' units; empty takes quantiles of the
            healthy brain.
        limits: intensities between which an anomalous slice is cut; None does not cut.
        calls: strengths that scoring assumes, evenly spaced in time.
        weighted: multiply a slice's scores by the share of it that is brain.
    """

    unet: UNetShape = SMALL
    span: float = 6.0
    centroids: tuple[float, ...] = ()
    limits: Range | None = None
    calls: int = 4
    weighted: bool = False
    levels_: Tensor = field(init=False, repr=False, compare=False)

    @property
    def network_calls_per_slice(self) -> int:
        return self.calls

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"restorer": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.levels_ = self._choose_levels(self.ready(self.start(train, compute)))
        self.learn("restorer", self._loss, train, budget)
        return self

    def score_and_reconstruct(self, batch: SliceBatch) -> tuple[Tensor, Tensor]:
        """The slice itself is restored each time, never an earlier restoration; the image is the mean of them."""
        batch = self.ready(batch)
        restored = [self.predict("restorer", batch.image, t) for t in times(T, self.calls, spacing="trailing")]
        x, x_hat = self.in_task_units(batch.image, torch.cat(restored, dim=1))  # (N, 1, H, W), (N, calls, H, W)
        scores = residual_map(x, x_hat, kind=self.residual, modality=self.source)
        brain = batch.brain_mask[:, 0].float()
        share = brain.mean(dim=(1, 2), keepdim=True) if self.weighted else 1.0
        return scores * brain * share, x_hat.mean(dim=1)

    def corrupt(self, batch: SliceBatch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Slices with an anomaly each, of texture and of intensity, and its strength in 0 to 1, (N,)."""
        x, n = batch.image, len(batch)
        shape = self._shapes(batch.brain_mask, generator)
        alpha = uniform(n, (0, 1), generator)
        textured = torch.lerp(x, match_range(self._texture(batch, shape, generator), x, shape), shape * alpha)
        alpha = alpha * (textured != x).any(dim=(2, 3), keepdim=True)
        where = blur(tissues(textured, shape, self.levels_, generator), torch.ones(n, device=x.device)) * shape
        shift = signs(n, generator) * uniform(n, (0, self.span), generator)
        biased = textured + shift * where
        biased = biased.clamp(*self.limits) if self.limits else biased
        beta = (biased - textured).abs().amax(dim=(2, 3), keepdim=True) / self.span
        return biased, torch.maximum(alpha, beta).flatten()

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Squared error of the restoration; the network is told how strong the anomaly is."""
        x, strength = self.corrupt(batch, generator)
        t = (STRENGTHS.to(x.device, x.dtype, non_blocking=True) - strength[:, None]).abs().argmin(dim=1)
        return F.mse_loss(self.networks_["restorer"](x, t), batch.image)

    def _shapes(self, brain: Tensor, generator: torch.Generator) -> Tensor:
        """Squares, disks and irregular shapes in equal numbers, some with soft edges, (N, 1, H, W)."""
        n, _, *size = brain.shape
        side, centres = min(size), brain_pixels(brain, generator)
        between = SQUARES[0] * side, SQUARES[1] * side
        half = torch.cat([uniform(n, between, generator), uniform(n, between, generator)], dim=1)[:, :, 0, 0]
        angle = (uniform(n, (-TURN, TURN), generator) * (uniform(n, (0, 1), generator) < TURNED)).flatten()
        disks = (ellipses(size, centres, half[:, :1].expand(-1, 2)) <= 1).float()
        irregular = rough_ellipses(brain, generator, radii=IRREGULAR, roughness=0.4)
        kinds = torch.stack([squares(size, centres, half, angle), disks, irregular])
        shape = kinds[
            torch.randint(3, (n,), generator=generator, device=brain.device), torch.arange(n, device=brain.device)
        ]
        sigma = uniform(n, (0, SOFTNESS * side), generator) * (uniform(n, (0, 1), generator) < SOFT)
        return blur(shape, sigma.flatten()) * brain

    def _texture(self, batch: SliceBatch, shape: Tensor, generator: torch.Generator) -> Tensor:
        """Another patient's slice, moved so that a random place of its brain lies where a random place of ours did."""
        chosen = partners(batch.keys, batch.image.device)
        ours, theirs = brain_pixels(shape > 0, generator), brain_pixels(batch.brain_mask[chosen], generator)
        return roll(batch.image[chosen], ours - theirs)

    def _choose_levels(self, sample: SliceBatch) -> Tensor:
        if self.centroids:
            return torch.tensor(self.centroids, device=self.compute_.device)
        brain = sample.image[sample.brain_mask]
        return torch.quantile(brain[:: len(brain) // SAMPLE + 1], QUANTILES.to(brain.device))


QUANTILES = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
SAMPLE = 100_000  # brain pixels that quantiles are taken of
