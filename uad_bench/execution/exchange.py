"""Images for a program of any language: NIfTI in RAS+, as scanned, and never a label."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.subject import Subject
from uad_bench.data.volume import Affine, PatientReader, Volume
from uad_bench.files import write_json
from uad_bench.method import Modality


def write_images(folder: Path, subject: Subject, modalities: Sequence[Modality]) -> None:
    """Write `<folder>/<patient>/<patient>_<modality>.nii.gz`, float32."""
    for modality, volume in _read(subject, modalities).items():
        _write(_path(folder, subject.id, modality), volume.array, volume.affine)


def write_training(
    folder: Path, subjects: Sequence[Subject], modalities: Sequence[Modality], healthy: Mapping[str, Sequence[int]]
) -> None:
    """Write training patients likewise, with every slice that is not healthy set to 0, and `healthy_slices.json`."""
    for subject in subjects:
        for modality, volume in _read(subject, modalities).items():
            keep = np.isin(np.arange(volume.array.shape[2]), list(healthy[subject.id]))
            _write(_path(folder, subject.id, modality), volume.array * keep, volume.affine)
    write_json(folder / "healthy_slices.json", {name: list(slices) for name, slices in healthy.items()})


def _read(subject: Subject, modalities: Sequence[Modality]) -> dict[Modality, Volume]:
    reader = PatientReader()
    return {modality: reader.read(subject.images[modality]) for modality in modalities}


def _path(folder: Path, patient: str, modality: Modality) -> Path:
    return folder / patient / f"{patient}_{modality}.nii.gz"


def _write(path: Path, array: npt.NDArray[Any], affine: Affine) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    image: Any = nibabel.Nifti1Image(np.asarray(array, np.float32), affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, path)
