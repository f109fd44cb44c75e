"""How far a reconstruction is from a slice, voxel by voxel: one choice for all reconstructing methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Residual = Literal["auto", "l1", "l2", "positive", "ssim"]

BRIGHT = frozenset({"flair", "t2"})  # modalities on which oedema, tumours and plaques are brighter than healthy tissue

SSIM_WINDOW = 7
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # of Wang et al. (2004), for images of about unit range


def residual_map(x: Tensor, x_hat: Tensor, *, kind: Residual, modality: str | None = None) -> Tensor:
    """Score maps (N, H, W) from slices and their reconstructions, both (N, C, H, W); channels are averaged.

    Args:
        x: slices.
        x_hat: their reconstructions.
        kind: "auto" is "positive" where lesions are known to be bright, which plain intensity takes for granted too,
            and "l1" elsewhere.
        modality: what the slices show; only "auto" asks.
    """
    if kind == "auto":
        kind = "positive" if modality in BRIGHT else "l1"
    return RESIDUALS[kind](x, x_hat).mean(dim=1)


def l1(x: Tensor, x_hat: Tensor) -> Tensor:
    """|x - x_hat|."""
    return (x - x_hat).abs()


def l2(x: Tensor, x_hat: Tensor) -> Tensor:
    """(x - x_hat)^2."""
    return (x - x_hat).square()


def positive(x: Tensor, x_hat: Tensor) -> Tensor:
    """What is brighter than its reconstruction; the rest is 0. Baur et al. (2021)."""
    return (x - x_hat).clamp(min=0)


def dissimilarity(x: Tensor, x_hat: Tensor, *, window: int = SSIM_WINDOW) -> Tensor:
    """(1 - SSIM) / 2 over square windows of so many pixels, in [0, 1]. Wang et al. (2004), Eq. 13."""
    mu, mu_hat = _window_mean(x, window), _window_mean(x_hat, window)
    variance = _window_mean(x * x, window) - mu**2
    variance_hat = _window_mean(x_hat * x_hat, window) - mu_hat**2
    covariance = _window_mean(x * x_hat, window) - mu * mu_hat
    luminance = (2 * mu * mu_hat + SSIM_C1) / (mu**2 + mu_hat**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance + variance_hat + SSIM_C2)
    return (1 - luminance * structure) / 2


RESIDUALS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "l2": l2,
    "positive": positive,
    "ssim": dissimilarity,
}


def _window_mean(x: Tensor, window: int) -> Tensor:
    """Mean of the neighbourhood, edges repeated."""
    r = window // 2
    return F.avg_pool2d(F.pad(x, (r, r, r, r), mode="replicate"), window, stride=1)
