"""How leaderboards grow: `board_load.py RUN METHODS...` builds boards of that many made methods.

Prints CPU seconds of each step, which other programs do not lengthen as they do wall time. RUN is the folder of any
finished run; each made method is its record under another name with shifted replicates.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from uad_bench.boards.result import Result
from uad_bench.boards.run_folder import read_result
from uad_bench.boards.storage import read_stored, store_results
from uad_bench.output.publishing import boards_of, write_tables
from uad_bench.plugins.registry import baseline_methods
from uad_bench.runs.folder import Run


def made_results(template: Result, count: int) -> list[Result]:
    """Baselines, and as many methods as asked for, apart from each other by noise in the replicates."""
    names = [*sorted(baseline_methods()), *(f"made-{i:04}" for i in range(count - len(baseline_methods())))]
    return [_made(template, name, np.random.default_rng(i)) for i, name in enumerate(names)]


def _made(template: Result, name: str, rng: np.random.Generator) -> Result:
    shift = rng.normal(0, 0.1)
    record = template.record
    changes = {
        "method": record.method.model_copy(update={"name": name}),
        "metrics": tuple(
            m if m.value is None else m.model_copy(update={"value": m.value + shift}) for m in record.metrics
        ),
        "run": record.run.replace("/", f"/{name}-", 1),
    }
    draws = {key: values + shift + rng.normal(0, 0.02, len(values)) for key, values in template.replicates.items()}
    return replace(template, record=record.model_copy(update=changes), replicates=draws)


def main(run: Path, counts: list[int]) -> None:
    template = read_result(Run(run))
    print("methods  write s  read s  rank s  tables s  files MiB")
    for count in counts:
        results = made_results(template, count)
        with tempfile.TemporaryDirectory() as folder:
            board = Path(folder) / "made"
            times = [time.process_time()]
            store_results(results, board)
            times.append(time.process_time())
            stored = read_stored(board)
            times.append(time.process_time())
            boards_of(stored)[0].ranking
            times.append(time.process_time())
            write_tables(board)
            times.append(time.process_time())
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 2**20
        spent = "  ".join(f"{seconds:.2f}" for seconds in np.diff(times))
        print(f"{count}  {spent}  {size:.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]])
