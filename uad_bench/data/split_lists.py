"""Published splits, shipped as lists of ids with their source and digest, and anybody's list in the same format.

A list is a text file of `key: value` lines (`name`, `source`, `prefix`, `digest`), an empty line, and one
`role number` line a patient; `prefix` + number is the subject's id.
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
    """How far two splits contradict each other.

    Attributes:
        common: patients that both name.
        moved: patients with another role in the second; `pairs` counts them as (role in a, role in b).
        pairs: counts by the two roles.
        tested_but_trained: tested by one and trained on by the other, the direction (a tests, b trains) first.
    """

    common: int
    moved: int
    pairs: dict[tuple[str, str], int]
    tested_but_trained: tuple[int, int]


def split_names() -> list[str]:
    """Names of the shipped lists."""
    return resource_names(FOLDER, SUFFIX)


def load_split(name: str) -> Split:
    """A shipped list by name, or a list file by path ending in `.txt`; its source becomes the note.

    Raises:
        ConfigError: no such list, or a file that is not in the format.
        DataError: the rows do not have the digest that the file states, or contradict themselves.
    """
    path = Path(name) if name.endswith(SUFFIX) else resource_path(f"{FOLDER}/{name}{SUFFIX}")
    require_file(path, "split", name, ["hash", "dataset", *split_names()])
    head, rows = _parse(path)
    roles = {role: tuple(head.get("prefix", "") + id_ for r, id_ in rows if r == role) for role in ROLES}
    split = Split(head.get("name", path.stem), **roles, note=head.get("source", ""))
    if split.digest != head.get("digest", split.digest):
        raise DataError(f"{path}: the rows have digest {split.digest}, the file states {head['digest']}; restore it")
    return split


def named_split(name: str, ids: Iterable[str], *, subset: bool = False) -> Split:
    """A published list applied to the patients at hand; patients that it does not name are left out.

    Args:
        name: of a shipped list, or a path.
        ids: of the data set.
        subset: accept that patients of the list are absent; the note then reads `n of N`.

    Raises:
        DataError: patients of the list are absent, or a role that the list fills is left empty.
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
            f"({shown}, ...); --set task.subset=true runs the {count} that are"
        )
    kept = {role: tuple(id_ for id_ in whole.role(role) if id_ in present) for role in ROLES}
    empty = [role for role in ROLES if whole.role(role) and not kept[role]]
    if empty:
        raise DataError(f"split {whole.name}: {count} patients are present, none of them for {' and '.join(empty)}")
    return Split(whole.name, **kept, note=f"{count}; {whole.note}")


def format_split(split: Split, *, source: str, prefix: str = "") -> str:
    """The text of a list file."""
    head = {"name": split.name, "source": source, "prefix": prefix, "digest": split.digest}
    rows = [f"{role} {id_.removeprefix(prefix)}" for role in ROLES for id_ in sorted(split.role(role))]
    return "\n".join([*(f"{key}: {value}" for key, value in head.items()), "", *rows, ""])


def disagreement(a: Split, b: Split) -> Disagreement:
    """Compare the roles of the patients that both splits name."""
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
