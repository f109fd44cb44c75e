"""A full bench: three cheap methods, 250 patients of the tiny phantom's geometry, three seeds."""

import resource
import time
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_bench import TinyBench, gather_tiny, save
from uad_bench.runs.folder import find_runs

PATIENTS, METHODS, SEEDS = 250, 3, 3
SHAPE = (48, 48, 12)


def write_cohort(root: Path) -> Path:
    """Patients as large as those of the tiny phantom, each with a lesion of its own place and size."""
    axes = np.indices(SHAPE)
    brain = sum(((axis - (n - 1) / 2) / (0.45 * n)) ** 2 for axis, n in zip(axes, SHAPE, strict=True)) <= 1
    for i in range(PATIENTS):
        rng = np.random.default_rng(i)
        centre = rng.integers([14, 14, 4], [34, 34, 8]).reshape(3, 1, 1, 1)
        lesion = brain & (((axes - centre) ** 2).sum(0) <= rng.integers(4, 20))
        for modality in ("flair", "t2"):
            blobs = np.kron(rng.integers(100, 1000, (12, 12, 4)), np.ones((4, 4, 3)))
            save(
                root / f"P{i:03}" / f"P{i:03}_{modality}.nii.gz",
                np.where(brain, blobs + 300 * lesion, 0).astype(np.int16),
            )
        save(root / f"P{i:03}" / f"P{i:03}_seg.nii.gz", lesion.astype(np.uint8))
    return root


@pytest.mark.slow
def test_three_methods_on_250_patients_with_three_seeds_each_finish_with_flat_memory(tmp_path: Path):
    cohort = gather_tiny(write_cohort(tmp_path / "cohort"), size=32, field_of_view=48.0)
    tiny = TinyBench(cohort, tmp_path)
    assert len(cohort.subjects) == PATIENTS
    body = "import torch; return batch.image[:, 0] + {} * torch.rand(batch.image[:, 0].shape)"
    entries = [tiny.write(f"method{i}", score=body.format(i / METHODS)) for i in range(METHODS)]
    started, peaks = time.monotonic(), []
    for seed in range(SEEDS):
        for entry in entries:
            assert tiny.run(entry, seed=seed)["status"] == "ok"
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    assert len(find_runs(tiny.runner.root)) == METHODS * SEEDS
    assert peaks[-1] - peaks[0] < 100  # MiB; a leak of one map a run would be more
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{time.monotonic() - started:.0f} s; harness {peaks[-1]:.0f} MiB, largest worker {workers:.0f} MiB")
