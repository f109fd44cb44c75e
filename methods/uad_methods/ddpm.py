"""Denoising by diffusion: noise a slice part of the way, let a model of healthy slices remove it, score the residual.

Ho et al. (2020) for the model; Wyatt et al. (2022), Behrendt et al. (2023) and Bercea et al. (2023) for its use here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset, SliceKey
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.voxel import average_precision
from uad_bench.seeding import generator, slice_noise
from uad_methods.diffusion import (
    at,
    cumulative_alphas,
    ddim_step,
    linear_betas,
    posterior,
    predict_x_0,
    q_sample,
)
from uad_methods.networks import Size
from uad_methods.nn.unet import SMALL, UNet, UNetShape
from uad_methods.pseudo_lesions import foreign_patches
from uad_methods.reconstructing import ResidualMethod

T = 1000
ALPHA_BAR = cumulative_alphas(linear_betas(T))

LEVELS = (50, 100, 200, 300, 400, 500, 600)
TRIALS = 64  # training slices that receive a foreign patch

Sampler = Literal["ddim", "ancestral"]
Target = Literal["x0", "eps"]


@dataclass(kw_only=True)
class DDPM(ResidualMethod):
    """score = residual of x and its partly noised, then denoised self.

    Attributes:
        unet: size of the network.
        predicts: what the network is trained to say, the image or its noise.
        train_times: training draws t below this.
        noise_level: time t* to which a slice is noised, 1 .. T; "auto" chooses one of `LEVELS` after training, by how
            well foreign patches in training slices are found.
        steps: network calls from t* back to the image; 1 takes the first prediction as the answer.
        sampler: DDIM without fresh noise, or ancestral sampling with it.
        clip: largest absolute intensity that a prediction may have while sampling; None does not clip.
    """

    unet: UNetShape = SMALL
    predicts: Target = "x0"
    train_times: int = T
    noise_level: int | Literal["auto"] = 400
    steps: int = 1
    sampler: Sampler = "ddim"
    clip: float | None = None
    level_: int = field(init=False, repr=False, compare=False)

    @property
    def network_calls_per_slice(self) -> int:
        return self.steps

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"denoiser": UNet(1, shape=self.unet)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("denoiser", self._loss, train, budget)
        self.level_ = self._choose_level(train) if self.noise_level == "auto" else self.noise_level
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), "level": torch.tensor(self.level_)}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        self.level_ = int(state["level"]) if self.noise_level == "auto" else self.noise_level
        return super().load_state_dict(state, compute=compute)

    def draw_noise(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Noise for a training batch like x."""
        return torch.randn(x.shape, generator=generator, device=x.device)

    def draw_slice_noise(self, x: Tensor, keys: Sequence[SliceKey], purpose: str, t: int) -> Tensor:
        """Noise like x for scoring at time t, drawn for each slice apart."""
        return slice_noise(keys, x.shape[1:], purpose, t, seed=self.compute_.seed, device=x.device)

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Mean squared error of the predicted image or noise. Ho et al. (2020), Eq. 14."""
        x_0 = batch.image
        t = torch.randint(self.train_times, (len(x_0),), generator=generator, device=x_0.device)
        eps = self.draw_noise(x_0, generator)
        prediction = self.networks_["denoiser"](q_sample(x_0, eps, at(ALPHA_BAR, t)), t)
        return F.mse_loss(prediction, {"x0": x_0, "eps": eps}[self.predicts])

    def _choose_level(self, train: SliceDataset) -> int:
        """The level at which patches of other slices, blended into healthy ones, have the highest AUPRC."""
        draws = generator(self.compute_.seed, "foreign patches")
        chosen = torch.randperm(len(train), generator=draws)[:TRIALS].tolist()
        batch, changed = foreign_patches(train.take(chosen), draws)
        brain = batch.brain_mask[:, 0]
        truth, found = changed[brain].numpy(), {}
        for level in LEVELS:
            self.level_ = level
            found[level] = average_precision(count_ranks_of(self.score(batch).cpu()[brain].numpy(), truth)).value
        return max(LEVELS, key=found.__getitem__)

    def restore(self, batch: SliceBatch) -> Tensor:
        """Noise to t*, then back to an image in `steps` calls."""
        x, keys = batch.image, batch.keys
        visited = _descent(self.level_ if self.noise_level == "auto" else self.noise_level, self.steps)
        t = visited[0]
        x_t = q_sample(x, self.draw_slice_noise(x, keys, "start", t), float(ALPHA_BAR[t]))
        for t, s in zip(visited, [*visited[1:], None], strict=True):
            x_0 = self._predict_image(x_t, t)
            x_t = x_0 if s is None else self._step(x_t, x_0, t, s, keys)
        return x_t

    def _predict_image(self, x_t: Tensor, t: int) -> Tensor:
        prediction = self.predict("denoiser", x_t, t)
        x_0 = prediction if self.predicts == "x0" else predict_x_0(x_t, prediction, float(ALPHA_BAR[t]))
        return x_0 if self.clip is None else x_0.clamp(-self.clip, self.clip)

    def _step(self, x_t: Tensor, x_0: Tensor, t: int, s: int, keys: Sequence[SliceKey]) -> Tensor:
        alpha_bar_t, alpha_bar_s = float(ALPHA_BAR[t]), float(ALPHA_BAR[s])
        if self.sampler == "ddim":
            return ddim_step(x_t, x_0, alpha_bar_t, alpha_bar_s)
        mean, _ = posterior(x_t, x_0, alpha_bar_t, alpha_bar_s)
        beta = 1 - alpha_bar_t / alpha_bar_s  # the larger of the two variances, as the sources take it
        return mean + math.sqrt(beta) * self.draw_slice_noise(x_t, keys, "step", t)


def _descent(level: int, steps: int) -> list[int]:
    """The times visited from level - 1 downwards, evenly spaced."""
    return [round(level * (steps - k) / steps) - 1 for k in range(steps)]
