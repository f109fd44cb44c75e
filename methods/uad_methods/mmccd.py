"""MMCCD: modality cycles with masked conditional diffusion. Liang et al. (2023), arXiv 2308.16150.

Forward, a diffusion model imagines modality Y from modality X with a stripe of X hidden by noise; backward, a plain
network returns to X. Under the stripe the model can only imagine healthy tissue, so there the cycle error is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, Modalities, Modality, SliceBatch, SliceDataset, SliceKey
from uad_bench.seeding import slice_noise
from uad_methods.diffusion import Spacing, at, cumulative_alphas, ddim_step, linear_betas, q_sample, times
from uad_methods.networks import Size, share
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.reconstructing import ReconstructingMethod
from uad_methods.residual import residual_map
from uad_methods.stripes import random_stripes, stripe_masks

T = 1000
ALPHA_BAR = cumulative_alphas(linear_betas(T))

TrainTimes = Literal["all", "visited"]


@dataclass(kw_only=True)
class MMCCD(ReconstructingMethod):
    """score = mean over stripes r that hide a voxel of the residual of x and g(f(x hidden by r)).

    Attributes:
        target: modality Y, needed for training.
        unet: size of each network.
        stripe_width: pixels hidden, on slices of 128 pixels; scaled with the slice.
        stripe_stride: pixels between the stripes of scoring, likewise.
        stripes_per_pass: far-apart stripes of one direction that scoring hides together; 1 as published.
        stripe_per_batch: one stripe for all slices of a training step (as published) instead of one each.
        hidden_weight: how much more than elsewhere an error under the stripe counts in training; 0 as published.
        train_times: training draws its times from all T (as published), or from those that scoring visits.
        steps: DDIM steps from noise to image.
        spacing: which steps (see `diffusion.times`).
        forward_share: part of the budget that trains the diffusion model.
    """

    target: Modality = "t2"
    unet: UNetShape = SMALL
    stripe_width: int = 8
    stripe_stride: int = 4
    stripes_per_pass: int = 8
    stripe_per_batch: bool = False
    hidden_weight: float = 8.0
    train_times: TrainTimes = "all"
    steps: int = 1
    spacing: Spacing = "trailing"
    forward_share: float = 0.6

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source, self.target), score=(self.source,))

    @property
    def network_calls_per_slice(self) -> int:
        """Evaluations of either network for one slice, with square slices."""
        stripes = -(-128 // self.stripe_stride)
        return 2 * -(-stripes // self.stripes_per_pass) * (self.steps + 1)

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"forward": UNet(2, shape=self.unet), "backward": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        forward, backward = share(budget, self.forward_share)
        x, y = self.source.upper(), self.target.upper()
        self.learn("forward", self._diffusion_loss, train, forward, stage=f"training {x} to {y} (1/2)")
        self.learn("backward", self._translation_loss, train, backward, stage=f"training {y} to {x} (2/2)")
        return self

    def score_and_reconstruct(self, batch: SliceBatch) -> tuple[Tensor, Tensor]:
        batch = self.ready(batch)
        masks = self._masks(batch)
        n = max(1, self.pass_size // len(masks))
        parts = [
            self._score_slices(batch.image[i : i + n], batch.keys[i : i + n], masks) for i in range(0, len(batch), n)
        ]
        scores, images = zip(*parts, strict=True)
        return torch.cat(scores), torch.cat(images)

    @property
    def _visited(self) -> list[int]:
        return times(T, self.steps, spacing=self.spacing)

    def _diffusion_loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Squared error of the predicted y over the whole slice, hidden or not."""
        x, y = batch.image[:, :1], batch.image[:, 1:]
        n = 1 if self.stripe_per_batch else len(x)
        mask = random_stripes(n, _size(x), width=self.stripe_width, generator=generator)
        t = self._draw_times(len(x), generator)
        y_t = q_sample(y, _normal_like(y, generator), at(ALPHA_BAR, t))
        condition = torch.where(mask, _normal_like(x, generator), x)
        error = (self.networks_["forward"](torch.cat([y_t, condition], dim=1), t) - y).square()
        weight = 1 + self.hidden_weight * mask.expand_as(error)
        loss: Tensor = (weight * error).sum() / weight.sum()
        return loss

    def _draw_times(self, n: int, generator: torch.Generator) -> Tensor:
        """Times (n,) of a training step."""
        device = generator.device
        if self.train_times == "all":
            return torch.randint(T, (n,), generator=generator, device=device)
        visited = torch.tensor(self._visited).to(device, non_blocking=True)
        return visited[torch.randint(len(visited), (n,), generator=generator, device=device)]

    def _translation_loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        x, y = batch.image[:, :1], batch.image[:, 1:]
        return F.mse_loss(self.networks_["backward"](y), x)

    def _masks(self, batch: SliceBatch) -> Tensor:
        return stripe_masks(
            _size(batch.image),
            width=self.stripe_width,
            stride=self.stripe_stride,
            per_mask=self.stripes_per_pass,
            device=batch.image.device,
        )

    def _score_slices(self, x: Tensor, keys: Sequence[SliceKey], masks: Tensor) -> tuple[Tensor, Tensor]:
        """Score maps and images (n, H, W) of slices x (n, 1, H, W) from masks (R, 1, H, W)."""
        x_hat = self.predict("backward", self._imagine(x, keys, masks))  # (nR, 1, H, W)
        whole, x_hat = self.in_task_units(x.repeat_interleave(len(masks), dim=0), x_hat)
        error = residual_map(whole, x_hat, kind=self.residual, modality=self.source)  # (nR, H, W)
        return _mean_under(masks, error), _mean_under(masks, x_hat)

    def _imagine(self, x: Tensor, keys: Sequence[SliceKey], masks: Tensor) -> Tensor:
        """DDIM from one noise per slice to y_hat (nR, 1, H, W); the hiding noise is fresh at every step."""
        shape, seed = x.shape[1:], self.compute_.seed
        start = slice_noise(keys, shape, "start", seed=seed, device=x.device)  # (n, 1, H, W)
        y_t = start.repeat_interleave(len(masks), dim=0)  # (nR, 1, H, W)
        for t, s in zip(self._visited, [*self._visited[1:], None], strict=True):
            hiding = slice_noise(keys, (len(masks), *shape), "hiding", t, seed=seed, device=x.device)
            condition = torch.where(masks, hiding, x[:, None]).flatten(0, 1)
            y_0 = self.predict("forward", torch.cat([y_t, condition], dim=1), t)
            y_t = y_0 if s is None else ddim_step(y_t, y_0, float(ALPHA_BAR[t]), float(ALPHA_BAR[s]))
        return y_t


def _mean_under(masks: Tensor, images: Tensor) -> Tensor:
    """Mean (n, H, W) of images (nR, H, W), one per slice and mask, over the masks (R, 1, H, W) that hide a voxel."""
    under = images.view(-1, *masks[:, 0].shape) * masks[:, 0]
    return under.sum(dim=1) / masks[:, 0].sum(dim=0).clamp(min=1)


def _size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]


def _normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device)
