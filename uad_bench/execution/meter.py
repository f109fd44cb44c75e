"""What a piece of work took: wall and processor seconds, and peak memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures spans of work of this process.

    Attributes:
        device: where it computes.
    """

    device: str = "cpu"

    @contextmanager
    def span(self) -> Iterator[dict[str, Any]]:
        """A dictionary that is filled when the span ends.

        Keys: `seconds`, `cpu_seconds`, `peak_rss_mib`; on CUDA `peak_cuda_mib`.
        """
        spent: dict[str, Any] = {}
        started, cpu = time.perf_counter(), _cpu_seconds()
        yield spent
        self._wait()
        spent |= {"seconds": time.perf_counter() - started, "cpu_seconds": _cpu_seconds() - cpu}
        spent["peak_rss_mib"] = peak_rss()
        if self.device.startswith("cuda"):
            spent["peak_cuda_mib"] = _peak_cuda(self.device)

    def _wait(self) -> None:
        """Until the GPU has done what it was told."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self.device)


def peak_rss() -> float:
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_seconds() -> float:
    """Of this process, its threads, and its children that have ended."""
    return sum(os.times()[:4])


def _peak_cuda(device: str) -> float:
    """Most memory that torch held on the GPU so far, in MiB."""
    import torch

    return torch.cuda.max_memory_reserved(device) / 2**20
