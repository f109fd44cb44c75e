"""Patients with known lesions, and score maps written by hand: the whole way from a folder of maps to a record."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny_bench import save
from uad_bench.benchmark.evaluate_maps import Submission, evaluate_maps
from uad_bench.data.reference import Reference
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.record import Numbers

SHAPE = (12, 12, 6)
TASK = """
dataset = "brats"
pair = ["flair", "t2"]
modalities = ["flair", "t2"]
split = "hash"
size = 16
budget = { steps = 1, batch_size = 1 }
"""


def lesion_of(number: int) -> np.ndarray:
    """A box in slices 2 and 3 that grows with the patient's number."""
    label = np.zeros(SHAPE, bool)
    label[3 : 6 + number % 5, 4:8, 2:4] = True
    return label


def brain_of(number: int) -> np.ndarray:
    """All but the outermost voxels of each slice."""
    brain = np.zeros(SHAPE, bool)
    brain[1:-1, 1:-1] = True
    return brain


def write_cohort(root: Path, count: int) -> Path:
    """Patients in BraTS layout, with a table of their sex."""
    for i in range(count):
        noise = np.random.default_rng(100 + i)
        for modality in ("flair", "t2"):
            image = np.where(brain_of(i), noise.integers(100, 1000, SHAPE), 0).astype(np.int16)
            save(root / f"P{i}" / f"P{i}_{modality}.nii.gz", image)
        save(root / f"P{i}" / f"P{i}_seg.nii.gz", lesion_of(i).astype(np.uint8))
    rows = "".join(f"P{i},{'FM'[i % 2]}\n" for i in range(count))
    (root / "patients.csv").write_text(f"id,sex\n{rows}")
    return root


def reference_of(number: int, **changes: Any) -> Reference:
    """The reference of a patient without any file."""
    brain, anomaly = changes.get("brain", brain_of(number)), changes.get("anomaly", lesion_of(number))
    affine = tuple(map(tuple, np.eye(4).tolist()))
    box = ((0, 0, 0), SHAPE)
    return Reference(f"P{number}", SHAPE, affine, (1.0, 1.0, 1.0), box, brain, anomaly)


def noisy(number: int, *, strength: float = 1.5, seed: int = 0) -> np.ndarray:
    """Scores that see the lesion, by `strength` standard deviations of their noise."""
    noise = np.random.default_rng([seed, number]).normal(size=SHAPE)
    return (noise + strength * lesion_of(number)).astype(np.float32)


@dataclass(frozen=True)
class Scored:
    """A cohort on disk, a task on it, and a runs folder."""

    data: Path
    folder: Path
    count: int

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def task(self) -> Path:
        path = self.folder / "boxes.toml"
        path.write_text(TASK)
        return path

    def write(self, name: str, numbers: range, score: Callable[[int], np.ndarray]) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in numbers:
            np.save(folder / f"P{i}.npy", score(i))
        return folder

    def judge(self, name: str, score: Callable[[int], np.ndarray] = noisy, **options: Any) -> dict[str, Any]:
        """The record of these scores; three patients choose thresholds, the others are tested."""
        maps = self.write(f"{name}-test", range(3, self.count), score)
        val = self.write(f"{name}-val", range(3), score)
        return self.submit(maps, name, threshold_maps=val, **options)

    def judge_noisy(self, name: str = "noisy", *, strength: float = 1.5, seed: int = 0) -> dict[str, Any]:
        """As `judge` of these scores, which is done once for a cohort; later runs are copies."""
        kept = Scored(self.data, self.data.parent / "judged" / f"{name}-{strength}-{seed}", self.count)
        if not kept.runs.exists():
            kept.judge(name, lambda i: noisy(i, strength=strength, seed=seed))
        shutil.copytree(kept.runs, self.runs, dirs_exist_ok=True)
        (run,) = find_runs(kept.runs)
        return run.read_record().to_json()

    def submit(self, maps: Path, name: str, **options: Any) -> dict[str, Any]:
        given = Submission(folder=maps, name=name, task=str(self.task), data=self.data, **options)
        return evaluate_maps(given, runs=self.runs).to_json()

    def run_of(self, record: dict[str, Any]) -> Run:
        return Run(self.runs / record["run"])


def values(record: dict[str, Any] | Numbers) -> dict[str, float | None]:
    """Metric values by key."""
    return {metric.key: metric.value for metric in Numbers.model_validate(record).metrics}
