"""Read score maps of other programs: NIfTI in any orientation on the scan's own grid, or plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.facts import SubjectFacts
from uad_bench.data.subject import ImageFile
from uad_bench.data.volume import read_volume
from uad_bench.errors import DataError, MethodError
from uad_bench.metrics.validity import require_scores
from uad_bench.runs.folder import MAP, PLAIN_MAP
from uad_bench.runs.score_maps import read_map

NpyOrientation = Literal["scan", "ras"]
"""Axes of an array: as stored in the scan's file, or in canonical RAS+ orientation."""
SUFFIXES = (".nii.gz", ".nii", PLAIN_MAP, MAP)
AFFINE_TOLERANCE = 1e-3  # mm; allows for rounding by writers, not for a shift of the grid
EXACT = (np.float32, np.float16, np.int8, np.uint8, np.int16, np.uint16)  # types whose values are exact in float32


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """A score map as it is evaluated.

    Attributes:
        values: (X, Y, Z) in canonical orientation.
        merged: number of distinct scores in the file that are lost by rounding to float32.
    """

    values: NDArray[np.float32]
    merged: int


def find_maps(folder: Path) -> dict[str, list[Path]]:
    """Map files of a folder by patient.

    Raises:
        DataError: the folder does not exist or contains no map, or a map is not a file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: folder of score maps not found")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((s for s in SUFFIXES if path.name.endswith(s)), None)
        if suffix and not path.name.startswith("."):
            _require_file(path)
            found.setdefault(path.name.removesuffix(suffix), []).append(path)
    if not found:
        raise DataError(f"{folder}: no score maps found; name them PATIENT.nii.gz or PATIENT.npy")
    return found


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'a link to nothing'} under the name of a map")


def read_score_map(path: Path, facts: SubjectFacts) -> NDArray[np.float32]:
    """Read a map in canonical orientation, as `read_scores`; arrays are assumed to be canonical."""
    return read_scores(path, facts).values


def read_scores(path: Path, facts: SubjectFacts, *, npy: NpyOrientation = "ras") -> Scores:
    """Read a map in canonical orientation and check it against the scan.

    Args:
        npy: axes of a `.npy` array; ignored for NIfTI.

    Raises:
        MethodError: the map has another shape, grid or type than expected, or is not finite.
    """
    try:
        array, affine = _canonical(path, facts, npy)
    except Exception as error:  # the header of a damaged array raises many kinds of errors
        reason = "nonfinite" if "NaN or infinite" in str(error) else "bad_output"
        raise MethodError(f"{facts.id}: {error}", reason=reason) from error
    if array.dtype.kind not in "fiu":
        raise MethodError(f"{path}: scores are {array.dtype}, expected float32", reason="bad_output")
    if array.shape != facts.shape:
        raise MethodError(f"{path}: the map is {array.shape}, the scan is {facts.shape}", reason="bad_output")
    if affine is not None and not np.allclose(affine, facts.affine, atol=AFFINE_TOLERANCE, rtol=0):
        raise MethodError(
            f"{path}: the map is not on the scan's grid (affine {_short(affine)}, the scan's "
            f"{_short(facts.affine)}); write it on the scan's own grid",
            reason="bad_output",
        )
    with np.errstate(over="ignore"):
        scores = np.ascontiguousarray(array, np.float32)
    require_scores(scores, shape=facts.shape, name=facts.id)
    return Scores(scores, _merged(array))


def _canonical(path: Path, facts: SubjectFacts, npy: NpyOrientation) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Scores (X, Y, Z) and their affine; None for plain arrays and for the maps of a run."""
    if path.name.endswith(PLAIN_MAP):
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{path}: an archive of arrays (.npz); write one array with numpy.save")
        return (_turned(array, facts.orientation) if npy == "scan" and array.ndim == 3 else array), None
    if path.name.endswith(MAP):
        return read_map(path), None
    volume = read_volume(ImageFile(path))
    return volume.array, volume.affine


def _turned(array: NDArray[Any], codes: str) -> NDArray[Any]:
    """Reorient from a stored axis order such as `LPS` to canonical."""
    from nibabel import orientations  # imported late

    turned: Any = orientations.apply_orientation(array, orientations.axcodes2ornt(codes))  # type: ignore[no-untyped-call]
    return np.asarray(turned)


def _merged(array: NDArray[Any]) -> int:
    if array.dtype.type in EXACT:
        return 0
    ordered = np.sort(array, axis=None)  # rounding keeps the order, so one sort is enough for both counts
    return int(np.count_nonzero(np.diff(ordered)) - np.count_nonzero(np.diff(ordered.astype(np.float32))))


def _short(affine: NDArray[np.float64] | Sequence[Sequence[float]]) -> str:
    return "; ".join(" ".join(f"{value:g}" for value in row) for row in np.asarray(affine)[:3])
