"""Published splits, shipped as lists of ids with their source and digest, and user-defined lists in the same format.

A list is a text file with `key: value` lines (`name`, `source`, `prefix`, `digest`), an empty line, and one
`role number` line per patient; `prefix` + number is the subject's id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uad_bench.config import require_file
from uad_bench.data.split import ROLES, Split
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import read_text
from uad_bench.resources import resource_names, resource_path

FOLDER, SUFFIX = "configs/splits", ".txt"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Differences between two splits a and b.

    Attributes:
        common: number of patients in both splits.
        moved: number of common patients whose roles differ.
        pairs: number of common patients by (role in a, role in b).
        tested_but_trained: number of test patients of a that are training patients of b, and vice versa.
    """

    common: int
    moved: int
    pairs: dict[tuple[str, str], int]
    tested_but_trained: tuple[int, int]


def split_names() -> list[str]:
    """Names of the shipped splits."""
    return resource_names(FOLDER, SUFFIX)


def load_split(name: str) -> Split:
    """Load a shipped split by name, or a list file by its path ending in `.txt`; its source becomes the note.

    Raises:
        ConfigError: the split is unknown, or the file has an invalid format.
        DataError: the rows do not match the digest in the file, or overlap.
    """
    path = Path(name) if name.endswith(SUFFIX) else resource_path(f"{FOLDER}/{name}{SUFFIX}")
    require_file(path, "split", name, ["hash", "dataset", *split_names()])
    head, rows = _parse(path)
    roles = {role: tuple(head.get("prefix", "") + id_ for r, id_ in rows if r == role) for role in ROLES}
    split = Split(head.get("name", path.stem), **roles, note=head.get("source", ""))
    if split.digest != head.get("digest", split.digest):
        raise DataError(
            f"{path}: the rows have digest {split.digest}, but the file states {head['digest']}; restore the file"
        )
    return split


def named_split(name: str, ids: Iterable[str], *, subset: bool = False) -> Split:
    """Apply a published split to the patients of a dataset; patients that it does not list are left out.

    Args:
        name: name of a shipped split, or a path.
        ids: ids of the dataset.
        subset: accept that listed patients are missing from the data; the note then reads `n of N`.

    Raises:
        DataError: listed patients are missing from the data, or none of the patients of a role is present.
    """
    whole, present = load_split(name), set(ids)
    absent = [id_ for id_ in whole.subjects if id_ not in present]
    if not absent:
        return whole
    count = f"{len(whole.subjects) - len(absent)} of {len(whole.subjects)}"
    if not subset:
        shown = ", ".join(absent[:SHOWN])
        raise DataError(
            f"split {whole.name}: {len(absent)} of its {len(whole.subjects)} patients are not in the data "
            f"({shown}, ...); use --set task.subset=true to run on the {count} present"
        )
    kept = {role: tuple(id_ for id_ in whole.role(role) if id_ in present) for role in ROLES}
    empty = [role for role in ROLES if whole.role(role) and not kept[role]]
    if empty:
        raise DataError(f"split {whole.name}: {count} patients are present, none of them for {' and '.join(empty)}")
    return Split(whole.name, **kept, note=f"{count}; {whole.note}")


def format_split(split: Split, *, source: str, prefix: str = "") -> str:
    """Format a split as the text of a list file."""
    head = {"name": split.name, "source": source, "prefix": prefix, "digest": split.digest}
    rows = [f"{role} {id_.removeprefix(prefix)}" for role in ROLES for id_ in sorted(split.role(role))]
    return "\n".join([*(f"{key}: {value}" for key, value in head.items()), "", *rows, ""])


def disagreement(a: Split, b: Split) -> Disagreement:
    """Compare the roles of the patients in both splits."""
    roles_a, roles_b = ({id_: role for role in ROLES for id_ in s.role(role)} for s in (a, b))
    both = [(roles_a[id_], roles_b[id_]) for id_ in roles_a if id_ in roles_b]
    pairs = {pair: both.count(pair) for pair in sorted(set(both))}
    moved = sum(count for (first, second), count in pairs.items() if first != second)
    return Disagreement(len(both), moved, pairs, (pairs.get(("test", "train"), 0), pairs.get(("train", "test"), 0)))


def _parse(path: Path) -> tuple[dict[str, str], list[tuple[str, str]]]:
    text = read_text(path)
    head, _, body = text.partition("\n\n")
    keys = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    rows = []
    for number, line in enumerate(body.splitlines(), head.count("\n") + 3):
        role, _, id_ = line.partition(" ")
        if line and (role not in ROLES or not id_):
            raise ConfigError(f"{path}, line {number}: {line!r} is not a role ({', '.join(ROLES)}) and an id")
        if line:
            rows.append((role, id_))
    return keys, rows
