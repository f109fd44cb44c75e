"""Published splits, shipped as lists of ids with their source and digest, and anybody's list in the same format.

A list is a text file with one `role number` line for each patient; `prefix` + number is the subject's id. Before them
may stand `key: value` lines: `name`, `source`, `prefix`, and the `digest` that the rows must have.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from uad_bench.config import require_file
from uad_bench.data.split import ROLES, Split
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import read_text
from uad_bench.resources import resource_names, resource_path

FOLDER, SUFFIX = "configs/splits", ".txt"
HEAD = ("name", "source", "prefix", "digest")
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
    """A published list, by name or path, applied to the patients at hand; see `apply_split`."""
    return apply_split(load_split(name), ids, subset=subset)


def apply_split(whole: Split, ids: Iterable[str], *, subset: bool = False) -> Split:
    """A list applied to the patients at hand; patients that it does not name are left out.

    Args:
        whole: the list.
        ids: of the data set.
        subset: accept that patients of the list are absent; the note then reads `n of N`.

    Raises:
        DataError: patients of the list are absent, or a role that the list fills is left empty.
    """
    present = set(ids)
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
    kept = whole.only(present)
    empty = [role for role in ROLES if whole.role(role) and not kept.role(role)]
    if empty:
        raise DataError(f"split {whole.name}: {count} patients are present, none of them for {' and '.join(empty)}")
    return replace(kept, note=f"{count}; {whole.note}")


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
    """The head's keys and the rows; a list of rows alone has no head."""
    head: dict[str, str] = {}
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        key, colon, value = (part.strip() for part in line.partition(":"))
        role, _, id_ = line.strip().partition(" ")
        if role in ROLES and id_:
            rows.append((role, id_.strip()))
        elif colon and key in HEAD and not rows:
            head[key] = value
        elif role:
            raise ConfigError(f"{path}, line {number}: {line!r} is not a role ({', '.join(ROLES)}) and an id")
    if not rows:
        raise ConfigError(f"{path}: lists no patient; each is a line of a role ({', '.join(ROLES)}) and an id")
    return head, rows
