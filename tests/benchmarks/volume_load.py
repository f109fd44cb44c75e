"""What a whole volume costs the harness: `volume_load.py [PATIENTS]` runs a method that computes nothing on made ones.

Patients have BraTS geometry, 240 x 240 x 155 voxels. Prints JSON: seconds a volume by stage, and bytes of a map by how
it is kept.
"""

import json
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "methods")]

import numpy as np  # noqa: E402 - the checkout need not be installed

from tests.tiny_bench import save  # noqa: E402
from uad_bench.benchmark.request import Request, run_request  # noqa: E402
from uad_bench.console import reporting  # noqa: E402
from uad_bench.runs.events import Event, Scored  # noqa: E402
from uad_bench.runs.folder import find_runs  # noqa: E402
from uad_bench.runs.score_maps import read_map  # noqa: E402

SHAPE = (240, 240, 155)


def write_patients(root: Path, count: int) -> None:
    """Ellipsoids of BraTS's size, 18 % of the volume, textured by coarse blobs and noise, with a round lesion."""
    grid = np.indices(SHAPE, np.float32) - np.reshape([119.5, 119.5, 77.0], (3, 1, 1, 1))
    brain = ((grid / np.reshape([72, 88, 62], (3, 1, 1, 1))) ** 2).sum(0) <= 1
    lesion = ((grid - np.reshape([25, 10, 5], (3, 1, 1, 1))) ** 2).sum(0) <= 18**2
    for i in range(count):
        rng = np.random.default_rng(i)
        for modality in ("flair", "t1", "t1ce", "t2"):
            blobs = np.kron(rng.integers(200, 900, (30, 30, 31)), np.ones((8, 8, 5)))
            image = np.where(brain, blobs + rng.normal(0, 20, SHAPE) + 300.0 * lesion, 0)
            save(root / f"P{i:02}" / f"P{i:02}_{modality}.nii.gz", image.clip(0).astype(np.int16))
        save(root / f"P{i:02}" / f"P{i:02}_seg.nii.gz", lesion.astype(np.uint8))


def seconds_between(events: list[Event], first: str, last: str) -> float:
    """Wall seconds, to the second, from the first event of one kind to the last of another."""
    times = [datetime.fromisoformat(next(e.time for e in row if e.event == kind)) for row, kind in
             ((events, first), (events[::-1], last))]  # fmt: skip
    return (times[1] - times[0]).total_seconds()


def kept_bytes(path: Path) -> dict[str, int]:
    """Bytes of one map, by how it is kept."""
    scores = read_map(path)
    brain = scores[scores != scores[0, 0, 0]]  # a corner is background
    return {
        "stored": path.stat().st_size,
        "whole_float32": scores.nbytes,
        "brain_float32": brain.nbytes,
        "brain_float16": brain.astype(np.float16).nbytes,
    }


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UAD_BENCH_CACHE"] = f"{folder}/cache"
        write_patients(Path(folder) / "data", count)
        settings = ("task.size=128",)
        request = Request(
            method="intensity",
            task="brats",
            data=Path(folder) / "data",
            baselines=False,
            settings=settings,
            runs=Path(folder) / "runs",
            device="cpu",
        )
        with reporting() as reporter:
            (record,) = run_request(request, reporter)
        (run,) = find_runs(Path(folder) / "runs")
        events, judged = run.read_events(), len(record.subjects.val) + len(record.subjects.test)
        cache = sum(file.stat().st_size for file in (Path(folder) / "cache" / "slices").iterdir())
        measured = {
            "patients": count,
            "judged": judged,
            "store_s_per_volume": record.cost.score_s_per_volume,
            "evaluate_s_per_volume": seconds_between(events, "fitted", "end") / judged - record.cost.score_s_per_volume,
            "slices_per_volume": sum(e.slices for e in events if isinstance(e, Scored)) / judged,
            "cache_bytes_per_patient": cache // judged,
            "map_bytes": kept_bytes(next(run.maps.iterdir())),
        }
    json.dump(measured, sys.stdout, indent=1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
