"""Writes some patients, a line for each: `python -m uad_bench.datasets.phantom DIR VARIANT SEED INDEX ...`.

`cohort` starts several of these at once.
"""

import sys
from pathlib import Path

from uad_bench.datasets.phantom.cohort import write_patient

folder, variant, seed, *indices = sys.argv[1:]
for index in map(int, indices):
    write_patient(Path(folder), variant, int(seed), index)
    print(index, flush=True)  # noqa: T201 - the line is the message
