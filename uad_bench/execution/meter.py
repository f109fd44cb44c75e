"""Measures wall time, CPU time and peak memory."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def metered(device: str = "cpu") -> Iterator[dict[str, Any]]:
    """Measure what this process spends in the body of a `with` statement; yields a dictionary filled when it ends.

    Keys: `seconds`; `cpu_seconds` of its threads and terminated children; `peak_rss_mib`, its peak resident set size
    since it started; on CUDA also `peak_cuda_mib`, the peak GPU memory reserved by torch.
    """
    spent: dict[str, Any] = {}
    started, cpu = time.perf_counter(), sum(os.times()[:4])
    yield spent
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
        spent["peak_cuda_mib"] = torch.cuda.max_memory_reserved(device) / 2**20
    spent |= {"seconds": time.perf_counter() - started, "cpu_seconds": sum(os.times()[:4]) - cpu}
    spent["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
