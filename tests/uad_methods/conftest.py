"""A healthy world of two modalities, made of random ellipses, and slices of it with something that was never seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from uad_bench.method import SliceBatch, SliceKey
from uad_bench.seeding import generator

BRIGHTNESS = {"flair": (0.0, 1.0, 0.55), "t2": (0.0, 0.5, 1.0), "t1": (0.0, 0.9, 0.3)}  # background, brain, ventricle


@dataclass
class Slices:
    """Slices in memory, as the harness gives them to a method."""

    batch: SliceBatch
    modalities: tuple[str, ...]

    def __len__(self):
        return len(self.batch)

    def __getitem__(self, index):
        return self.take([index])

    def take(self, indices: Sequence[int]):
        i = list(indices)
        keys = tuple(self.batch.keys[k] for k in i)
        return SliceBatch(self.batch.image[i], self.batch.brain_mask[i], keys)


@pytest.fixture(scope="session")
def healthy():
    """Function of modalities, count and size giving healthy slices."""
    return make_slices


@pytest.fixture(scope="session")
def sick():
    """Function as `healthy`, whose slices hold a bright disk; returns (batch, mask of the disks)."""
    return make_sick


def make_slices(modalities=("flair", "t2"), n=24, size=32, seed=0):
    labels = torch.stack([_ellipses(size, generator(seed, "slice", i)) for i in range(n)])
    keys = tuple(SliceKey(f"p{i // 8}", i % 8) for i in range(n))
    return Slices(SliceBatch(_image(labels, modalities, seed), (labels > 0)[:, None], keys), tuple(modalities))


def make_sick(modalities=("flair",), n=8, size=32, seed=1):
    slices = make_slices(modalities, n, size, seed)
    y, x = _grid(size)
    disk = ((x - 0.3) ** 2 + (y + 0.2) ** 2 < 0.04).expand(n, -1, -1)
    image = torch.where(disk[:, None], torch.tensor(2.0), slices.batch.image)
    return SliceBatch(image, slices.batch.brain_mask, slices.batch.keys), disk


def _image(labels: Tensor, modalities, seed) -> Tensor:
    clean = torch.stack([torch.tensor(BRIGHTNESS[m])[labels] for m in modalities], dim=1)
    return clean + 0.02 * torch.randn(clean.shape, generator=generator(seed, "scanner"))


def _ellipses(size: int, draw: torch.Generator) -> Tensor:
    y, x = _grid(size)
    a, b, c, d = torch.rand(4, generator=draw)
    brain = (x / (0.7 + 0.2 * a)) ** 2 + (y / (0.7 + 0.2 * b)) ** 2 < 1
    ventricle = (x / (0.2 + 0.1 * c)) ** 2 + (y / (0.3 + 0.2 * d)) ** 2 < 1
    return brain.long() + ventricle.long()


def _grid(size: int):
    line = torch.linspace(-1, 1, size)
    return line[:, None], line[None, :]
