"""What a piece of work took: wall and processor seconds, peak memory, and energy where the hardware counts it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from uad_bench.execution.energy import EnergyCounter, gpu_counter, joules_between, package_counters, read_counters


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures spans of work of this process.

    Attributes:
        device: where it computes.
        counters: of energy, read at the ends of each span.
    """

    device: str = "cpu"
    counters: Sequence[EnergyCounter] = ()

    @classmethod
    def of(cls, device: str, *, leads: bool = True) -> Self:
        """The meter of one rank: the leader reads the processor's counters, each its own GPU's."""
        counters = package_counters() if leads else []
        if device.startswith("cuda"):
            import torch

            uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
            counters += gpu_counter(f"GPU-{uuid}") if uuid else []
        return cls(device, counters)

    @contextmanager
    def span(self) -> Iterator[dict[str, Any]]:
        """A dictionary that is filled when the span ends.

        Keys: `seconds`, `cpu_seconds`, `peak_rss_mib`; on CUDA `peak_cuda_mib`; `energy_j` by source, where counted.
        """
        spent: dict[str, Any] = {}
        before, started, cpu = read_counters(self.counters), time.perf_counter(), _cpu_seconds()
        yield spent
        self._wait()
        spent |= {"seconds": time.perf_counter() - started, "cpu_seconds": _cpu_seconds() - cpu}
        spent["peak_rss_mib"] = peak_rss()
        if self.device.startswith("cuda"):
            spent["peak_cuda_mib"] = _peak_cuda(self.device)
        if energy := joules_between(self.counters, before, read_counters(self.counters)):
            spent["energy_j"] = energy

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
