"""Small synthetic patients: seeded textured ellipsoids written as NIfTI in BraTS layout."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import nibabel as nib
import numpy as np
import pytest

from uad_bench.data.census import take_census
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.subject import Subject
from uad_bench.datasets.brats import Brats

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Patients:
    """A folder of synthetic patients."""

    root: Path
    shape: ClassVar[Shape] = (24, 28, 14)
    lps: ClassVar[np.ndarray] = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 27], [0, 0, 1, 0], [0, 0, 0, 1]])
    modalities: ClassVar[tuple[str, ...]] = ("flair", "t1")

    def add(self, name: str, seed: int, *, shape: Shape = shape, label: np.ndarray | None = None) -> Path:
        folder = self.root / name
        for i, modality in enumerate(self.modalities):
            self.save(folder / f"{name}_{modality}.nii.gz", self.texture(10 * seed + i, shape))
        self.save(folder / f"{name}_seg.nii.gz", self.lesion(shape) if label is None else label)
        return folder

    def subjects(self) -> list[Subject]:
        return Brats(self.root).subjects()

    def census(self, cache: Path) -> dict[str, SubjectFacts]:
        return take_census(self.subjects(), self.modalities, cache=cache)

    def save(self, path: Path, array: np.ndarray, affine: np.ndarray = lps) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), path)
        return path

    def brain(self, shape: Shape = shape) -> np.ndarray:
        size = np.array(shape).reshape(3, 1, 1, 1)
        return (((np.indices(shape) - (size - 1) / 2) / (size * 0.4)) ** 2).sum(0) <= 1

    def texture(self, seed: int, shape: Shape = shape) -> np.ndarray:
        """Coarse blobs that differ from seed to seed as anatomy does, int16, zero outside the brain."""
        coarse = np.random.default_rng(seed).integers(100, 1000, size=[-(-n // 4) for n in shape])
        blobs = np.kron(coarse, np.ones((4, 4, 4)))[tuple(slice(n) for n in shape)]
        return np.where(self.brain(shape), blobs, 0).astype(np.int16)

    def lesion(self, shape: Shape = shape, z: tuple[int, int] = (6, 8)) -> np.ndarray:
        label = np.zeros(shape, np.uint8)
        label[10:14, 10:14, z[0] : z[1]] = 2
        return label


@pytest.fixture
def patients(tmp_path: Path) -> Patients:
    return Patients(tmp_path / "cohort")


@pytest.fixture
def cache_root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cohort(patients: Patients) -> Patients:
    """Six sound patients."""
    for i in range(6):
        patients.add(f"P{i}", i)
    return patients


@pytest.fixture
def make_facts(patients: Patients, cache_root: Path) -> Callable[..., SubjectFacts]:
    """Facts with chosen fields, without writing files for each."""
    patients.add("P0", 0)
    template = patients.census(cache_root)["P0"]
    return lambda **changes: replace(template, **changes)
