"""Generate patients and print a line for each: `python -m uad_bench.datasets.phantom WHAT DIR VARIANT SEED INDEX ...`.

`cohort` starts these processes; WHAT is `scans` or `counterfactual`.
"""

import sys
from pathlib import Path

from uad_bench.datasets.phantom.cohort import write_counterfactual, write_patient
from uad_bench.errors import UadBenchError

what, folder, variant, seed, *indices = sys.argv[1:]
write = {"scans": write_patient, "counterfactual": write_counterfactual}[what]
try:
    for index in map(int, indices):
        write(Path(folder), variant, int(seed), index)
        print(index, flush=True)  # noqa: T201 - read by the parent process
except UadBenchError as error:
    sys.exit(str(error))
