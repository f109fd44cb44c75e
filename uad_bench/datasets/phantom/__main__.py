"""Generate patients and print one line for each: `python -m uad_bench.datasets.phantom DIR VARIANT SEED INDEX ...`.

`cohort` runs several of these processes in parallel.
"""

import sys
from pathlib import Path

from uad_bench.datasets.phantom.cohort import write_patient

folder, variant, seed, *indices = sys.argv[1:]
for index in map(int, indices):
    write_patient(Path(folder), variant, int(seed), index)
    print(index, flush=True)  # noqa: T201 - read by the parent process
