"""Stacks slices from separate files into volumes: NIfTI files in the cache, named by the content of the slices."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.cache import WAY_OUT, writing
from uad_bench.data.nifti import MAX_VOXELS
from uad_bench.datasets.pictures import Slice, is_picture, read_slice
from uad_bench.digests import digest_file, digest_json
from uad_bench.errors import DataError
from uad_bench.files import atomic, safe_name
from uad_bench.method import Modality, Progress, Report

Series = Mapping[int, Path]
Array = npt.NDArray[Any]

VERSION = 1  # increase it when the same slices would give a different volume
DIRECTIONS = {"R": (0, 1.0), "L": (0, -1.0), "A": (1, 1.0), "P": (1, -1.0), "S": (2, 1.0), "I": (2, -1.0)}
"""Axis and sign of each letter in RAS+ coordinates."""
LOSSY = (".jpg", ".jpeg")
SHOWN_FAULTS = 20


@dataclass(frozen=True, kw_only=True)
class Stacking:
    """Settings for stacking slices into volumes.

    Attributes:
        cache: folder below which volumes are written.
        spacing: distance in mm between columns, rows and slices.
        orientation: anatomical directions in which columns, rows and slices increase; None uses that of the files.
    """

    cache: Path
    spacing: tuple[float, float, float]
    orientation: str | None = None
    channels: Mapping[Modality, int]

    def volumes(self, subject: str, series: Mapping[str, Series]) -> dict[str, Path]:
        """The NIfTI file of each role, written if it does not exist; its axes are columns, rows and slices.

        Args:
            series: slices by number, for each modality and mask (`=label`, `=brain`).

        Raises:
            DataError: a slice is missing, a mask has no image, or slices differ in size, type or orientation.
            ConfigError: the name of the subject or a modality is not a valid file name.
        """
        _check_numbers(subject, series)
        files = {role: [slices[number] for number in sorted(slices)] for role, slices in series.items()}
        folder = self._folder(subject, files)
        paths = {role: folder / _file_name(subject, role) for role in files}
        if not all(path.is_file() for path in paths.values()):
            self._write(files, paths)
        return paths

    def _folder(self, subject: str, files: Mapping[str, Sequence[Path]]) -> Path:
        content = {role: [_digest(path) for path in paths] for role, paths in files.items()}
        how = [VERSION, self.spacing, self.orientation, dict(self.channels)]
        return self.cache / f"{safe_name(subject, 'patient')}-{digest_json([*how, content])[:16]}"

    def _write(self, files: Mapping[str, Sequence[Path]], paths: Mapping[str, Path]) -> None:
        role, (first, *_) = next(iter(files.items()))
        model = read_slice(first, channel=self.channels.get(role))
        affine = _affine(self.orientation or model.axes, self.spacing)
        for role, slices in files.items():
            volume = np.stack(list(self._pixels(role, slices, first, model)), axis=2)
            with writing(paths[role].parent), atomic(paths[role], WAY_OUT) as file:
                file.write(_nifti(volume, affine))

    def _pixels(self, role: str, files: Sequence[Path], first: Path, model: Slice) -> Iterator[Array]:
        """Pixels of each slice, after checking that they match the first slice of the subject."""
        if model.pixels.size * len(files) > MAX_VOXELS:
            raise DataError(f"{first}: {len(files)} slices of this size exceed the limit of {MAX_VOXELS} voxels")
        depth = None
        for path in files:
            found = read_slice(path, channel=self.channels.get(role))
            depth = depth or found.pixels.dtype
            _check_alike(path, found, first, model, axes=self.orientation is None)
            if is_picture(path) and found.pixels.dtype != depth:
                raise DataError(
                    f"{path}: {found.pixels.dtype}, {files[0]} is {depth}; save all slices with the same bit depth"
                )
            if role.startswith("="):
                _check_mask(path, found.pixels)
            yield found.pixels


def stack_patients(
    series: Mapping[str, Mapping[str, Series]], stacking: Stacking, *, report: Report | None = None
) -> dict[str, dict[str, Path]]:
    """Apply `Stacking.volumes` to each subject.

    Raises:
        DataError: some subjects have errors; the message has one line for each of them.
        ConfigError: the name of a subject or a modality is not a valid file name.
    """
    volumes: dict[str, dict[str, Path]] = {}
    faults: list[str] = []
    for done, (subject, slices) in enumerate(series.items(), 1):
        with _collecting(faults):
            volumes[subject] = stacking.volumes(subject, slices)
        if report:
            report(Progress("stacking slices", done, len(series)))
    if faults:
        more = [f"... and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise DataError("\n".join([*faults[:SHOWN_FAULTS], *more]))
    return volumes


@contextmanager
def _collecting(faults: list[str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        faults.append(str(error))


def _check_numbers(subject: str, series: Mapping[str, Series]) -> None:
    """Check that every role has exactly the slices between the first and the last image."""
    images = [number for role, slices in series.items() if not role.startswith("=") for number in slices]
    wanted = range(min(images), max(images) + 1)
    for role, slices in series.items():
        for number in sorted(slices):
            if number not in wanted:
                raise DataError(f"{slices[number]}: mask without an image; {subject} has no slice {number}")
        if lacking := len(wanted) - len(slices):
            raise DataError(_gap(subject, role, slices, next(n for n in wanted if n not in slices), lacking))


def _gap(subject: str, role: str, slices: Series, number: int, lacking: int) -> str:
    beside = slices[min(slices, key=lambda other: abs(other - number))]
    others = f" (and {lacking - 1} more)" if lacking > 1 else ""
    way_out = "a slice without anomaly needs a mask of zeros" if role == "=label" else "add it, or renumber the slices"
    return f"{beside}: next to it, slice {number}{others} of {subject}'s {role.strip('=')} is missing; {way_out}"


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; make the file readable or exclude it") from error


def _check_alike(path: Path, found: Slice, first: Path, model: Slice, *, axes: bool) -> None:
    if found.pixels.shape != model.pixels.shape:
        sizes = ["x".join(map(str, pixels.shape)) for pixels in (found.pixels, model.pixels)]
        raise DataError(
            f"{path}: {sizes[0]} pixels, {first} has {sizes[1]}; slices of a patient must have the same size"
        )
    if axes and found.axes != model.axes:
        raise DataError(
            f"{path}: orientation {found.axes}, but {first} has {model.axes}; set the correct one with orientation"
        )


def _check_mask(path: Path, pixels: Array) -> None:
    if path.name.lower().endswith(LOSSY) and len(np.unique(pixels)) > 2:
        raise DataError(f"{path}: JPEG compression has altered the values of this mask; save masks as PNG")


def _file_name(subject: str, role: str) -> str:
    name = f"{role[1:]}-mask" if role.startswith("=") else safe_name(role, "modality")
    return safe_name(f"{subject}_{name}.nii", "patient's file")


def _affine(axes: str, spacing: Sequence[float]) -> npt.NDArray[np.float64]:
    """4x4 affine, voxel -> mm in RAS+ coordinates; the first voxel is the origin."""
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for column, (letter, mm) in enumerate(zip(axes, spacing, strict=True)):
        axis, sign = DIRECTIONS[letter]
        affine[axis, column] = sign * mm
    return affine


def _nifti(volume: Array, affine: npt.NDArray[np.float64]) -> bytes:
    from nibabel.nifti1 import Nifti1Image

    image: Any = Nifti1Image(volume, affine, dtype=volume.dtype)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    return bytes(image.to_bytes())
