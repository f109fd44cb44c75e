"""ANDi: aggregated normative diffusion. Frotscher et al. (2023), arXiv 2312.01904.

A diffusion model of healthy slices knows the way back from noise where a slice is healthy. At many times, each by
itself, the step that it would take is compared with the step that leads to the slice; a voxel that it gets wrong at all
of them is anomalous. Training noise has many resolutions, so that large structures are learned; test noise is plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset
from uad_bench.seeding import slice_noise
from uad_methods.diffusion import at, cumulative_alphas, linear_betas, posterior, predict_x_0, q_sample
from uad_methods.networks import NetworkMethod, Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.noise import pyramid_noise
from uad_methods.residual import Residual, residual_map

T = 1000
ALPHA_BAR = cumulative_alphas(linear_betas(T))
LEAST = 1e-12  # of a residual, so that its logarithm is finite

Target = Literal["x0", "eps"]


@dataclass(kw_only=True)
class ANDi(NetworkMethod):
    """score = geometric mean over t of the residual of q(x_{t-1} | x_t, x_0)'s means for the true and predicted x_0.

    Attributes:
        source: the modality.
        unet: size of the network.
        predicts: what the network is trained to say, the image or its noise (as published).
        first: lowest time of scoring.
        last: the time before which scoring ends; the source takes all of 75 .. 199.
        times: how many times, evenly spaced, one network call each.
        discount: weight of each coarser level of the training noise over that of the one before.
        residual: how the two means are compared; squared as published.
    """

    source: Modality = "flair"
    unet: UNetShape = SMALL
    predicts: Target = "x0"
    first: int = 75
    last: int = 200
    times: int = 16
    discount: float = 0.8
    residual: Residual = "auto"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    @property
    def network_calls_per_slice(self) -> int:
        return self.times

    @property
    def visited(self) -> list[int]:
        """The times of scoring."""
        return [self.first + k * (self.last - self.first) // self.times for k in range(self.times)]

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"denoiser": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("denoiser", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        batch = self.ready(batch)
        logs = [self._disagreement(batch, t).clamp(min=LEAST).log() for t in self.visited]
        return torch.stack(logs).mean(dim=0).exp()

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Mean squared error of the predicted noise or image, at any time."""
        x_0 = batch.image
        t = torch.randint(T, (len(x_0),), generator=generator, device=x_0.device)
        eps = pyramid_noise(x_0.shape, discount=self.discount, generator=generator)
        prediction = self.networks_["denoiser"](q_sample(x_0, eps, at(ALPHA_BAR, t)), t)
        return F.mse_loss(prediction, {"x0": x_0, "eps": eps}[self.predicts])

    def _disagreement(self, batch: SliceBatch, t: int) -> Tensor:
        """Residual (N, H, W) of the true step's mean from x_t to x_{t-1} and the predicted one's."""
        x_0, alpha_bar = batch.image, (float(ALPHA_BAR[t]), float(ALPHA_BAR[t - 1]))
        eps = slice_noise(batch.keys, x_0.shape[1:], "noise", t, seed=self.compute_.seed, device=x_0.device)
        x_t = q_sample(x_0, eps, alpha_bar[0])
        prediction = self.predict("denoiser", x_t, t)
        x_0_hat = prediction if self.predicts == "x0" else predict_x_0(x_t, prediction, alpha_bar[0])
        step, step_hat = (posterior(x_t, image, *alpha_bar)[0] for image in (x_0, x_0_hat))
        step, step_hat = self.in_task_units(step, step_hat)
        return residual_map(step, step_hat, kind=self.residual, modality=self.source)
