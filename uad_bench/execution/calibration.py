"""A fixed piece of work, timed: how fast a machine is today, so that times of different machines can be compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch.nn.functional import conv2d

REPEATS = 5


class Kernel(NamedTuple):
    """Sizes of the work: one side of square matrices, and slices, channels and side of a 3 x 3 convolution."""

    side: int
    slices: int
    channels: int
    size: int

    @property
    def matmul_flop(self) -> float:
        """Multiplications and additions of the matrix product."""
        return 2.0 * self.side**3

    @property
    def convolution_flop(self) -> float:
        """Multiplications and additions of the convolution."""
        return 2.0 * self.slices * self.channels**2 * 9 * self.size**2


KERNELS = {"cpu": Kernel(384, 4, 32, 64), "cuda": Kernel(4096, 32, 64, 128)}


@cache
def calibrate(device: str) -> dict[str, float]:
    """GFLOP/s in float32 of a matrix product and a convolution, the best of five; once a process."""
    kernel = KERNELS[torch.device(device).type]
    matrix = torch.linspace(-1, 1, kernel.side**2, device=device).view(kernel.side, kernel.side)
    images = torch.linspace(-1, 1, kernel.slices * kernel.channels * kernel.size**2, device=device)
    images = images.view(kernel.slices, kernel.channels, kernel.size, kernel.size)
    weight = torch.full((kernel.channels, kernel.channels, 3, 3), 0.01, device=device)
    with torch.no_grad():
        return {
            "matmul_gflops": kernel.matmul_flop / _best(lambda: matrix @ matrix, device) / 1e9,
            "conv_gflops": kernel.convolution_flop / _best(lambda: conv2d(images, weight, padding=1), device) / 1e9,
        }


def _best(work: Callable[[], object], device: str) -> float:
    """Seconds of the quickest of some repeats, after one to warm up."""
    times = []
    for _ in range(REPEATS + 1):
        _wait_for(device)
        started = time.perf_counter()
        work()
        _wait_for(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _wait_for(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
