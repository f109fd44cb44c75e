"""Masking in frequency, as IterMask2 does it (Liang et al., 2024)."""

from __future__ import annotations

import torch
from torch import Tensor


def high_frequencies(x: Tensor, radius: float) -> Tensor:
    """Slices (N, C, H, W) of whose frequencies below `radius`, in cycles per slice, only the phase is left."""
    height, width = x.shape[-2:]
    rows, columns = (torch.fft.fftfreq(length, 1 / length, device=x.device) for length in (height, width))
    low = rows[:, None].square() + columns[None, :].square() < radius**2
    spectrum = torch.fft.fft2(x)
    phase = torch.polar(torch.ones_like(x), spectrum.angle())
    masked: Tensor = torch.fft.ifft2(torch.where(low, phase, spectrum)).real
    return masked
