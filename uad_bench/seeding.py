"""All randomness derives from the run's seed and a name, so that nothing depends on order, batch or interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from uad_bench.method import SliceKey


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed for one named purpose: `derive(0, "train", step)`."""
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded for one named purpose."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def slice_noise(keys: Sequence[SliceKey], shape: Sequence[int], *names: object, seed: int) -> Tensor:
    """Standard normal noise (N, *shape) on the CPU, drawn for each slice key apart.

    The noise of a slice is the same in whatever batch, order or process it is scored.
    """
    import torch

    return torch.stack([torch.randn(*shape, generator=generator(seed, *names, *key)) for key in keys])


@contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """Inside, torch's global generators are seeded for one named purpose; at the end they are as they were.

    For what draws from them without asking, such as the initial weights of a network:
    `with seeded(compute.seed, "weights"): network = build()`.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, *names))
        yield


def seed_globals(seed: int, *names: object) -> None:
    """Seed what a careless method draws from, in the method's own process: Python's, numpy's and torch's generators."""
    import random

    import numpy as np
    import torch

    derived = derive(seed, *names)
    random.seed(derived)
    np.random.seed(derived % 2**32)  # noqa: NPY002 - the global one is what must be seeded
    torch.manual_seed(derived)
