"""How many patients are read side by side."""

import os

MOST = 4  # each holds one patient's volumes; inflating and hashing release the interpreter's lock


def worker_count() -> int:
    """One thread a core that this process may use, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, cores)
