"""Writes a cohort to disk: atomic and resumable, also with several concurrent processes.

Patients are made in child processes, whose NumPy uses the same instructions on every processor of an architecture:
its faster variants differ in the last bit, which changes a few voxels by one grey level, and with them all digests.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.cache import WAY_OUT, touch, writing
from uad_bench.datasets.phantom.patient import make_patient
from uad_bench.datasets.phantom.scanner import MODALITIES
from uad_bench.datasets.phantom.variants import VARIANTS, VERSION
from uad_bench.errors import ResourceError
from uad_bench.files import atomic, write_json
from uad_bench.method import Progress, Report

MARKER = "COMPLETE.json"
UNSEEN = ".without-lesion"  # hidden, so that other layouts do not take these for scans
DISABLED = "NPY_DISABLE_CPU_FEATURES"
MIN_VOXELS_PER_PROCESS = 4_000_000  # below this, starting a process takes longer than it saves


def case_name(variant: str, index: int) -> str:
    """Folder and file prefix of a patient."""
    return f"{variant}-{index:03d}"


def case_files(folder: Path, case: str) -> dict[str, Path]:
    """Paths of a patient's scans and label, in the layout of BraTS."""
    return {name: folder / case / f"{case}_{name}.nii.gz" for name in (*MODALITIES, "seg")}


def ensure_cohort(folder: Path, *, variant: str, seed: int, report: Report | None = None) -> None:
    """Generate the missing patients, and report progress after each."""
    if (folder / MARKER).is_file():
        touch(folder / MARKER)
        return
    with writing(folder):
        _make(folder, variant, seed, report)


def _make(folder: Path, variant: str, seed: int, report: Report | None) -> None:
    total = VARIANTS[variant].patients
    missing = [index for index in range(total) if not _is_written(folder, case_name(variant, index))]
    for done, _ in enumerate(_in_children("scans", folder, variant, seed, missing), start=total - len(missing) + 1):
        if report is not None:
            report(Progress(f"making {variant} patients", done, total))
    write_json(folder / MARKER, {"variant": variant, "version": VERSION, "seed": seed, "patients": total}, WAY_OUT)


def write_patient(folder: Path, variant: str, seed: int, index: int) -> None:
    """Generate one patient and write its files, the label last."""
    patient = make_patient(variant, seed, index)
    paths = case_files(folder, case_name(variant, index))
    paths["seg"].parent.mkdir(parents=True, exist_ok=True)
    volumes: dict[str, NDArray[Any]] = {**patient.images, "seg": patient.seg}
    for name, volume in volumes.items():
        with atomic(paths[name], WAY_OUT) as file:
            file.write(nifti_bytes(volume, patient.affine))


def write_counterfactual(folder: Path, variant: str, seed: int, index: int) -> None:
    """Generate one patient without its lesion, and write the scans where no loader finds them."""
    patient, case = make_patient(variant, seed, index, healthy=True), case_name(variant, index)
    (folder / case / UNSEEN).mkdir(parents=True, exist_ok=True)
    for name, volume in patient.images.items():
        with atomic(_counterfactual(folder, case, name), WAY_OUT) as file:
            file.write(nifti_bytes(volume, patient.affine))


def ensure_counterfactual(folder: Path, variant: str, seed: int, index: int, modality: str) -> Path:
    """The file of a patient's scan without the lesion, next to the label, where methods cannot read it."""
    path = _counterfactual(folder, case_name(variant, index), modality)
    if not path.is_file():
        with writing(path.parent):
            list(_in_children("counterfactual", folder, variant, seed, [index]))
    return path


def _counterfactual(folder: Path, case: str, modality: str) -> Path:
    return folder / case / UNSEEN / f"{case}_{modality}.nii.gz"


def nifti_bytes(volume: NDArray[np.generic], affine: NDArray[np.float64]) -> bytes:
    """A gzipped NIfTI-1 file of a RAS+ volume, stored in LPS order like BraTS; the bytes are reproducible."""
    from nibabel.nifti1 import Nifti1Image

    flips = np.diag([-1.0, -1.0, 1.0, 1.0])
    flips[:2, 3] = np.array(volume.shape[:2]) - 1
    image: Any = Nifti1Image(  # type: ignore[no-untyped-call]
        np.ascontiguousarray(volume[::-1, ::-1]), affine @ flips
    )
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def _is_written(folder: Path, case: str) -> bool:
    """Whether all files exist; they are written atomically, so existing files are complete."""
    return all(path.is_file() for path in case_files(folder, case).values())


def _in_children(what: str, folder: Path, variant: str, seed: int, indices: list[int]) -> Iterator[None]:
    """Write `what` of patients, each core a share of them if worthwhile; yields after each patient.

    Raises:
        ResourceError: a process ended before its patients were written.
    """
    wanted = int(len(indices) * np.prod(VARIANTS[variant].grid.shape) / MIN_VOXELS_PER_PROCESS)
    workers = min(_cores(), max(wanted, 1), len(indices))
    off = [*np.show_config(mode="dicts")["SIMD Extensions"]["found"], os.environ.get(DISABLED, "")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "uad_bench.datasets.phantom", what, folder, variant, str(seed), *share],
            env={**os.environ, DISABLED: " ".join(off)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for share in (list(map(str, indices[start::workers])) for start in range(workers))
    ]
    lines: Queue[bytes | None] = Queue()
    try:
        for process in processes:
            Thread(target=_forward, args=(process, lines), daemon=True).start()
        running, said = workers, b""
        while running:
            line = lines.get()
            if line is None:
                running -= 1
            elif line.strip().isdigit():
                yield
            else:
                said = line
        if failed := [process.returncode for process in processes if process.wait()]:
            why = said.decode(errors="replace").strip() or f"a process ended with exit code {failed[0]}"
            raise ResourceError(f"the patients of {variant} could not be generated: {why}")
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _forward(process: "subprocess.Popen[bytes]", lines: "Queue[bytes | None]") -> None:
    """Put each line of a process's output into the queue, and None at its end."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put(line)
    lines.put(None)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
