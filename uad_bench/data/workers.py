"""Number of patients read in parallel."""

import os

MAX_WORKERS = 4  # each keeps one patient's volumes in memory; decompression and hashing release the GIL


def worker_count() -> int:
    """One thread per core available to this process, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, cores)
