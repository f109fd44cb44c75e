"""Volumes in canonical RAS+ orientation, and reorientation to that of the file."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from uad_bench.data.nifti import read_grid, read_nifti
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.errors import DataError
from uad_bench.method import Progress, Report

T = TypeVar("T")
Affine = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Orientation:
    """Grid of a file as stored.

    Attributes:
        shape: voxels along three axes, in the file's axis order (a 2-D file has depth 1).
        affine: 4x4, voxel -> mm.
    """

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def codes(self) -> str:
        """The anatomical direction each stored axis points to, such as `LPS`."""
        return "".join(_orientations().aff2axcodes(self.affine))


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One scan in RAS+ orientation: axes (X, Y, Z) point right, anterior, superior.

    Attributes:
        array: (X, Y, Z) in the stored dtype, or float32 if the file has a scale factor; finite.
        affine: 4x4, voxel -> mm, of the canonical grid.
        stored: grid of the file.
    """

    array: npt.NDArray[Any]
    affine: Affine
    stored: Orientation

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along X, Y, Z."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


class PatientReader:
    """Reads the scans of one patient; a 4-D file with several scans is decompressed once."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._content: tuple[npt.NDArray[Any], Affine] | None = None

    def read(self, file: ImageFile) -> Volume:
        """Read one scan, like `read_volume`."""
        if self._content is None or self._path != file.path:
            self._path, self._content = file.path, read_nifti(file.path)
        return _canonical(file, *self._content)


def read_volume(file: ImageFile) -> Volume:
    """Read a scan and reorient it to RAS+ without interpolation.

    Raises:
        DataError: the file is missing, damaged, has NaN or infinite voxels, or is 4-D and no channel is given.
    """
    return PatientReader().read(file)


def native_orientation(file: ImageFile) -> Orientation:
    """Read the stored grid of a file from its header only."""
    shape, affine = read_grid(file.path)
    return Orientation(_triple((*shape, 1)), affine)


def to_native(array: npt.NDArray[Any], orientation: Orientation) -> npt.NDArray[Any]:
    """Reorient a canonical (X, Y, Z) array to the axis order of a file; the inverse of `read_volume`."""
    canonical, stored = np.array([[0, 1], [1, 1], [2, 1]]), _orientations().io_orientation(orientation.affine)
    turn = _orientations().ornt_transform(canonical, stored)
    turned = np.asarray(_orientations().apply_orientation(array, turn))
    if turned.shape != orientation.shape:
        raise DataError(f"an array of shape {turned.shape} does not fit the stored grid {orientation.shape}")
    return turned


def _canonical(file: ImageFile, stored: npt.NDArray[Any], affine: Affine) -> Volume:
    array = _three_axes(file, stored)
    order = _orientations().io_orientation(affine)
    canonical = affine @ _orientations().inv_ornt_aff(order, array.shape)
    turned = _orientations().apply_orientation(array, order)
    return Volume(turned, canonical, Orientation(_triple(array.shape), affine))


def _three_axes(file: ImageFile, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.ndim < 4:
        return array.reshape((*array.shape, 1)[:3])
    channels = array.shape[3]
    if file.channel is None and channels > 1:
        raise DataError(f"{file.path}: contains {channels} images; the dataset class must choose a channel")
    if (file.channel or 0) >= channels:
        raise DataError(f"{file.path}: channel {file.channel} was requested, the file has {channels}")
    return array[..., file.channel or 0]


def _orientations() -> Any:
    """The orientation functions of nibabel, imported on first use."""
    import nibabel

    return nibabel.orientations


def _triple(shape: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = shape[:3]
    return x, y, z


MAX_WORKERS = 4  # each keeps one patient's volumes in memory; decompression and hashing release the GIL


def for_each_patient(
    work: Callable[[Subject], T], subjects: Sequence[Subject], stage: str, report: Report | None
) -> list[T]:
    """The result of each patient, computed on one thread per core available to this process, at most four.

    After an interrupt, pending patients are not processed.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    results = []
    with ThreadPoolExecutor(min(MAX_WORKERS, cores)) as pool:
        in_parallel = pool.map if len(subjects) > 1 else map
        try:
            for result in in_parallel(work, subjects):
                results.append(result)
                if report:
                    report(Progress(stage, len(results), len(subjects)))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return results
