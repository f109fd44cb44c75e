"""What a pixel's surroundings look like, in a few numbers that need no training."""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (1.0, 2.0, 4.0)  # standard deviations in pixels


def describe(image: Tensor, brain: Tensor) -> Tensor:
    """Features (N, F, H, W) of slices (N, 1, H, W): brightness, edges and depth inside the brain at three scales.

    Args:
        image: the slices.
        brain: (N, 1, H, W) bool; the distance to its rim tells cortex from deep tissue.
    """
    features = [image]
    for scale in SCALES:
        smooth = blur(image, scale)
        features += [smooth, gradient(smooth), image - smooth, blur(brain.float(), 2 * scale)]
    return torch.cat(features, dim=1)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian filter with repeated edges."""
    reach = int(3 * sigma)
    line = torch.arange(-reach, reach + 1, device=image.device)
    kernel = torch.exp(-(line**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def gradient(image: Tensor) -> Tensor:
    """Length of the gradient, (N, 1, H, W)."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    return (dx.square() + dy.square()).sqrt() / 2
