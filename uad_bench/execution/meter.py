"""Measures wall time, CPU time and peak memory."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures the resources that the current process uses."""

    device: str = "cpu"

    @contextmanager
    def span(self) -> Iterator[dict[str, Any]]:
        """Measure the body of a `with` statement; yields a dictionary that is filled when it ends.

        Keys: `seconds`, `cpu_seconds`, `peak_rss_mib`; on CUDA also `peak_cuda_mib`.
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
        """Wait for pending GPU work."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self.device)


def peak_rss() -> float:
    """Peak resident set size of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_seconds() -> float:
    """CPU time of this process, its threads, and its terminated children."""
    return sum(os.times()[:4])


def _peak_cuda(device: str) -> float:
    """Peak GPU memory reserved by torch, in MiB."""
    import torch

    return torch.cuda.max_memory_reserved(device) / 2**20
