"""Random generators derived from the run's seed and a name, independent of order, batch and interruption."""

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
    """Derive a 63-bit seed for a named purpose, such as `derive(0, "train", step)`."""
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded for a named purpose."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def host_generator(generator: torch.Generator) -> torch.Generator:
    """A generator for numbers that the host needs: drawing them on a GPU would wait for all of its pending work.

    The generator itself on a processor, else a new one with the same seed.
    """
    import torch

    cpu = generator.device.type == "cpu"
    return generator if cpu else torch.Generator().manual_seed(generator.initial_seed())


def slice_noise(
    keys: Sequence[SliceKey], shape: Sequence[int], *names: object, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Standard normal noise (N, *shape), drawn on the device independently for each slice key.

    The noise of a slice does not depend on the batch, order or process in which the slice is scored.
    """
    import torch

    draws = (generator(seed, *names, *key, device=device) for key in keys)
    return torch.stack([torch.randn(*shape, generator=draw, device=device) for draw in draws])


@contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """Context in which torch's global generators are seeded for a named purpose; their state is restored on exit.

    Use it for code that draws from the global generators, such as weight initialisation:
    `with seeded(compute.seed, "weights"): network = build()`.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, *names))
        yield


def seed_globals(seed: int, *names: object) -> None:
    """Seed the global generators of Python, NumPy and torch, for methods that draw from them."""
    import random

    import numpy as np
    import torch

    derived = derive(seed, *names)
    random.seed(derived)
    np.random.seed(derived % 2**32)  # noqa: NPY002 - the global generator must be seeded
    torch.manual_seed(derived)
