"""AnoDDPM: denoising by diffusion with simplex noise, whose large blobs hide lesions. Wyatt et al. (2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from uad_bench.method import SliceKey
from uad_bench.seeding import derive, host_generator
from uad_methods.ddpm import DDPM
from uad_methods.simplex import simplex_noise, simplex_std

REFERENCE = 256  # pixels of the slices for which the source set its wavelength


@dataclass(kw_only=True)
class AnoDDPM(DDPM):
    """As `DDPM`, with multi-octave simplex noise in training and in sampling.

    Attributes:
        octaves: layers of noise, each of half the wavelength of the one before.
        persistence: amplitude of a layer over that of the one before.
        wavelength: of the first layer, in pixels of a 256 x 256 slice; scaled with the slice.
        unit_variance: divide the noise by its standard deviation; the source does not.
    """

    train_times: int = 800
    noise_level: int | Literal["auto"] = 400
    octaves: int = 6
    persistence: float = 0.8
    wavelength: float = 64.0
    unit_variance: bool = False

    def draw_noise(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._fields(x, torch.randint(2**62, (len(x),), generator=host_generator(generator)).tolist())

    def draw_slice_noise(self, x: Tensor, keys: Sequence[SliceKey], purpose: str, t: int) -> Tensor:
        return self._fields(x, [derive(self.compute_.seed, purpose, t, *key) for key in keys])

    def _fields(self, x: Tensor, seeds: Sequence[int]) -> Tensor:
        """One plane of noise per seed, like x (N, 1, H, W)."""
        height, width = x.shape[-2:]
        noise = simplex_noise(
            seeds,
            (height, width),
            octaves=self.octaves,
            persistence=self.persistence,
            wavelength=self.wavelength * min(height, width) / REFERENCE,
            device=x.device,
        )
        std = simplex_std(octaves=self.octaves, persistence=self.persistence) if self.unit_variance else 1.0
        return noise[:, None] / std
