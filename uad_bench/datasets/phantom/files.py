"""Writing a cohort to disk: whole files only, resumable, safe under several processes at once."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.patient import make_patient
from uad_bench.datasets.phantom.scanner import MODALITIES
from uad_bench.datasets.phantom.variants import VARIANTS, VERSION

MARKER = "COMPLETE.json"
Report = Callable[[int, int], None]


def case_name(variant: str, index: int) -> str:
    """Folder and file prefix of a patient."""
    return f"{variant}-{index:03d}"


def case_files(folder: Path, case: str) -> dict[str, Path]:
    """Paths of a patient's scans and label, BraTS layout."""
    return {name: folder / case / f"{case}_{name}.nii.gz" for name in (*MODALITIES, "seg")}


def ensure_cohort(folder: Path, *, variant: str, seed: int, report: Report | None = None) -> None:
    """Write the patients that are not there yet; `report(done, total)` is told of each."""
    if (folder / MARKER).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    total = VARIANTS[variant].patients
    missing = [i for i in range(total) if not _is_written(folder, case_name(variant, i))]
    for done, _ in enumerate(_write_all(folder, variant, seed, missing), start=total - len(missing) + 1):
        if report is not None:
            report(done, total)
    _write_whole(folder / MARKER, json.dumps({"variant": variant, "version": VERSION, "seed": seed, "patients": total}).encode())


def write_patient(folder: Path, variant: str, seed: int, index: int) -> None:
    """Generate one patient and write its files, the label last."""
    patient = make_patient(variant, seed, index)
    paths = case_files(folder, case_name(variant, index))
    paths["seg"].parent.mkdir(parents=True, exist_ok=True)
    for name, volume in (*patient.images.items(), ("seg", patient.seg)):
        _write_whole(paths[name], _nifti(volume, patient.affine))


def _is_written(folder: Path, case: str) -> bool:
    """The label is written last and every file appears whole: all there means all good."""
    return all(path.is_file() for path in case_files(folder, case).values())


def _write_all(folder: Path, variant: str, seed: int, indices: list[int]) -> Iterator[None]:
    """Several processes where that pays and works, else this one."""
    workers = min(_cores(), len(indices))
    try:
        if workers > 1:
            yield from _write_in_processes(folder, variant, seed, indices, workers)
            return
    except (BrokenProcessPool, OSError):
        indices = [i for i in indices if not _is_written(folder, case_name(variant, i))]
    for index in indices:
        yield write_patient(folder, variant, seed, index)


def _write_in_processes(folder: Path, variant: str, seed: int, indices: list[int], workers: int) -> Iterator[None]:
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(write_patient, folder, variant, seed, index) for index in indices]
        for finished in as_completed(pending):
            yield finished.result()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nifti(volume: NDArray[np.generic], affine: NDArray[np.float64]) -> bytes:
    """A gzipped NIfTI-1 file, stored towards left and back as BraTS does, with the same bytes every time."""
    import gzip

    import nibabel

    flips = np.diag([-1.0, -1.0, 1.0, 1.0])
    flips[:2, 3] = np.array(volume.shape[:2]) - 1
    image = nibabel.Nifti1Image(np.ascontiguousarray(volume[::-1, ::-1]), affine @ flips)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
