"""Equations of denoising diffusion, in the papers' letters; pure functions of tensors.

`alpha_bar` is the cumulative product of 1 - beta; the functions take its values at one or two times, shaped so that
they broadcast against images. Times count from 0 (least noise) to T - 1; s < t is the time stepped to, and
`alpha_bar_s = 1` is the image itself.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Spacing = Literal["leading", "trailing"]


def linear_betas(T: int = 1000) -> Tensor:
    """Variances rising from 1e-4 to 0.02 in T = 1000 steps, rescaled for other T. Ho et al. (2020), section 4."""
    return torch.linspace(1e-4, 0.02, T, dtype=torch.float64) * (1000 / T)


def cosine_betas(T: int = 1000) -> Tensor:
    """Variances of the squared-cosine schedule, at most 0.999. Nichol and Dhariwal (2021), Eq. 17."""
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


def cumulative_alphas(betas: Tensor) -> Tensor:
    """alpha_bar_t = prod_{i <= t} (1 - beta_i), (T,) float64."""
    return (1 - betas).cumprod(0)


def at(alpha_bar: Tensor, t: Tensor) -> Tensor:
    """alpha_bar at times t (N,), as (N, 1, 1, 1) float32 on t's device."""
    return alpha_bar.to(t.device, non_blocking=True)[t].float()[:, None, None, None]


def times(T: int, steps: int, *, spacing: Spacing) -> list[int]:
    """The `steps` times that a shortened chain visits, most noise first.

    Args:
        T: length of the full chain.
        steps: how many to visit.
        spacing: `leading` starts at multiples of T // steps and ends at 0 (as published); `trailing` starts at T - 1,
            where a short chain must start if its first image is pure noise.
    """
    if spacing == "leading":
        return list(range(0, T, T // steps))[:steps][::-1]
    return [round(T * (steps - k) / steps) - 1 for k in range(steps)]


def q_sample(x_0: Tensor, eps: Tensor, alpha_bar_t: Tensor | float) -> Tensor:
    """x_t, the image with its noise at time t. Ho et al. (2020), Eq. 4."""
    return _sqrt(alpha_bar_t) * x_0 + _sqrt(1 - alpha_bar_t) * eps


def predict_x_0(x_t: Tensor, eps: Tensor, alpha_bar_t: Tensor | float) -> Tensor:
    """The image that noise `eps` makes x_t. Ho et al. (2020), Eq. 15."""
    return (x_t - _sqrt(1 - alpha_bar_t) * eps) / _sqrt(alpha_bar_t)


def predict_eps(x_t: Tensor, x_0: Tensor, alpha_bar_t: Tensor | float) -> Tensor:
    """The noise that makes x_t of x_0; inverse of `predict_x_0`."""
    return (x_t - _sqrt(alpha_bar_t) * x_0) / _sqrt(1 - alpha_bar_t)


def ddim_step(x_t: Tensor, x_0: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """x_s from x_t and the predicted x_0, without fresh noise. Song et al. (2021), Eq. 12 with sigma = 0."""
    return q_sample(x_0, predict_eps(x_t, x_0, alpha_bar_t), alpha_bar_s)


def posterior(x_t: Tensor, x_0: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> tuple[Tensor, float]:
    """Mean and variance of q(x_s | x_t, x_0). Ho et al. (2020), Eq. 6 and 7, with beta of the step from s to t."""
    beta = 1 - alpha_bar_t / alpha_bar_s
    mean = (math.sqrt(alpha_bar_s) * beta * x_0 + math.sqrt(1 - beta) * (1 - alpha_bar_s) * x_t) / (1 - alpha_bar_t)
    return mean, (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta


def _sqrt(value: Tensor | float) -> Tensor | float:
    return value.sqrt() if isinstance(value, Tensor) else math.sqrt(value)
