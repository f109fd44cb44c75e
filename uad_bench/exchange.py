"""Files between the harness and a program of any language: images go out as NIfTI, score maps come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.data.volume import Affine, PatientReader, Volume, read_volume
from uad_bench.errors import DataError, MethodError
from uad_bench.files import write_json
from uad_bench.method import Modality

SUFFIXES = (".nii.gz", ".nii", ".npy")
SAME_PLACE_MM = 0.01  # affines are stored as float32


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The canonical grid that a patient's map must have.

    Attributes:
        shape: (X, Y, Z).
        affine: voxel -> mm.
    """

    shape: tuple[int, ...]
    affine: Affine


def write_images(folder: Path, subject: Subject, modalities: Sequence[Modality]) -> Grid:
    """Write `<folder>/<patient>/<patient>_<modality>.nii.gz`, float32 as scanned, in RAS+; no label."""
    volumes = _read(subject, modalities)
    for modality, volume in volumes.items():
        _write(_path(folder, subject.id, modality), volume.array, volume.affine)
    first = next(iter(volumes.values()))
    return Grid(first.array.shape, first.affine)


def write_training(
    folder: Path, subjects: Sequence[Subject], modalities: Sequence[Modality], healthy: Mapping[str, Sequence[int]]
) -> None:
    """Write training patients likewise, with every slice that is not healthy set to 0, and `healthy_slices.json`."""
    for subject in subjects:
        keep = np.zeros(10**4, bool)
        keep[list(healthy[subject.id])] = True
        for modality, volume in _read(subject, modalities).items():
            array = volume.array * keep[: volume.array.shape[2]]
            _write(_path(folder, subject.id, modality), array, volume.affine)
    write_json(folder / "healthy_slices.json", {name: list(slices) for name, slices in healthy.items()})


def read_map(folder: Path, patient: str, grid: Grid) -> npt.NDArray[np.float32]:
    """The patient's score map on the canonical grid.

    Raises:
        MethodError: it is missing, unreadable, of another grid, or not finite.
    """
    path = next((p for p in (folder / f"{patient}{suffix}" for suffix in SUFFIXES) if p.is_file()), None)
    if path is None:
        raise MethodError(f"no score map {patient}.nii.gz or {patient}.npy was written", reason="bad_output")
    array, affine = _load(path)
    if array.shape != grid.shape:
        raise MethodError(f"{path.name} has shape {array.shape}, the images have {grid.shape}", reason="bad_output")
    if affine is not None and not np.allclose(affine, grid.affine, atol=SAME_PLACE_MM):
        raise MethodError(
            f"{path.name} lies elsewhere than the images: its affine differs; save it with theirs", reason="bad_output"
        )
    if bad := int((~np.isfinite(array)).sum()):
        raise MethodError(f"{path.name}: {bad} scores are NaN or infinite", reason="nonfinite")
    return np.asarray(array, np.float32)


def _read(subject: Subject, modalities: Sequence[Modality]) -> dict[Modality, Volume]:
    reader = PatientReader()
    return {modality: reader.read(subject.images[modality]) for modality in modalities}


def _path(folder: Path, patient: str, modality: Modality) -> Path:
    return folder / patient / f"{patient}_{modality}.nii.gz"


def _write(path: Path, array: npt.NDArray[Any], affine: Affine) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asarray(array, np.float32), affine), path)


def _load(path: Path) -> tuple[npt.NDArray[Any], Affine | None]:
    """A map and, for NIfTI, where it lies; NIfTI is turned to RAS+, a bare array must be in it."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False), None
        volume = read_volume(ImageFile(path))
    except (ValueError, OSError, DataError) as error:
        raise MethodError(f"{path.name} cannot be read: {error}", reason="bad_output") from error
    return volume.array, volume.affine
