"""The interface of a dataset, and functions shared by its implementations."""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from uad_bench.data.subject import Subject
from uad_bench.errors import DataError

NIFTI = (".nii", ".nii.gz")
RESCUED = "lost+found"
ID_COLUMNS = ("id", "subject", "participant_id", "subject_id", "patient_id", "patient")  # the first that is there


@runtime_checkable
class Dataset(Protocol):
    """Subjects of one file layout. The constructor takes the root folder, and the task's options as keywords.

    Four members are optional and therefore not part of the protocol:

    - `roles() -> dict[str, tuple[str, ...]]`: ids for `train`, `val` and `test` of the dataset's own split
      (`split = "dataset"` in a task).
    - `embedded: ClassVar[bool] = True`: the data is generated below the given folder, so no `--data` is needed; the
      constructor also takes `report`.
    - `counterfactual(subject_id, modality) -> ImageFile`: the patient's scan without the lesion, if it is known, in a
      folder of the patient's other files, which methods cannot read.
    - `reports: ClassVar[bool] = True`: the constructor takes `report`, a function that is called with `Progress`.
    """

    def subjects(self) -> list[Subject]:
        """All patients found, sorted by id, each with its existing files.

        Raises:
            DataError: the folder is missing or contains no patients.
        """
        ...


def image_files(root: Path, *, suffixes: tuple[str, ...] = NIFTI) -> Iterator[Path]:
    """All files so named below a folder, sorted; links are followed, circles are not.

    Hidden ones are left out, and the folder `lost+found` that a disk has at its top.

    Raises:
        DataError: there is no such folder, or one below it may not be read.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: {'a file, not a' if root.exists() else 'no such'} folder; choose the data folder with --data DIR"
        )
    yield from _walk(root, suffixes, set())


def stem(path: Path) -> str:
    """The file's name without `.nii` or `.nii.gz`."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def no_patients(root: Path, wanted: str) -> DataError:
    """The error for a folder without patients in the expected layout."""
    return DataError(f"{root}: no patients found; expected {wanted}")


def read_attributes(root: Path, name: str = "patients.csv") -> dict[str, dict[str, str]]:
    """Columns of the cohort's table by patient id; empty without a table.

    Raises:
        DataError: the table has no id column, or has a duplicate patient id.
    """
    path = root / name
    if not path.is_file():
        return {}
    text = _decoded(path)
    head = text.partition("\n")[0]
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count)))
    except csv.Error as error:
        raise DataError(f"{path}: not a table ({error}); save it as CSV in UTF-8") from error
    return _by_id(path, rows)


def _decoded(path: Path) -> str:
    """Decode a table saved by a spreadsheet: UTF-8, UTF-16 with a byte order mark, or Windows-1252."""
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _walk(folder: Path, suffixes: tuple[str, ...], seen: set[Path]) -> Iterator[Path]:
    place = folder.resolve()
    if place in seen:
        return
    seen.add(place)
    try:
        paths = sorted(folder.iterdir())
    except PermissionError as error:
        raise DataError(f"{folder}: this folder may not be read; allow it, or move it out of the data") from error
    for path in paths:
        if path.name.startswith(".") or path.name == RESCUED:
            continue
        if path.is_dir():
            yield from _walk(path, suffixes, seen)
        elif path.name.endswith(suffixes):
            yield path


def _by_id(path: Path, rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    columns = {c.lower(): c for c in (rows[0] if rows else ID_COLUMNS) if c}
    column = next((columns[name] for name in ID_COLUMNS if name in columns), None)
    if column is None:
        raise DataError(f"{path}: no column with patient ids; name it {', '.join(ID_COLUMNS[:-1])} or {ID_COLUMNS[-1]}")
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        if row[column] in table:
            raise DataError(f"{path}: duplicate patient id {row[column]!r}; remove one of the rows")
        table[row[column]] = {k: v or "" for k, v in row.items() if k and k != column}
    return table
