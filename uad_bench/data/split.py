"""Split of patients into training, validation and test, and published splits, shipped as lists of ids."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uad_bench.config import require_file
from uad_bench.data.subject import patient_id
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError, DataError, LeakError
from uad_bench.files import read_text
from uad_bench.resources import resource_names, resource_path

ROLES = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint sets of patients.

    Attributes:
        train: ids whose healthy slices are used for training.
        val: ids used to choose thresholds and hyperparameters.
        test: ids used only for the final evaluation.
        note: remark shown with the results, such as `"9 of 1113"`.

    Raises:
        LeakError: scans of one patient are in two roles.
        DataError: a role contains an id twice.
    """

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    note: str = ""

    def __post_init__(self) -> None:
        owners: dict[str, str] = {}
        for role in ROLES:
            ids = self.role(role)
            if len(set(ids)) < len(ids):
                twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
                shown = ", ".join(twice[:5])
                raise DataError(f"split {self.name}: duplicate ids in {role} ({shown}); remove the duplicate rows")
            for patient in map(patient_id, ids):
                if owners.setdefault(patient, role) != role:
                    raise LeakError(f"split {self.name}: patient {patient} is in both {owners[patient]} and {role}")

    def role(self, name: str) -> tuple[str, ...]:
        """Ids of `train`, `val` or `test`."""
        ids: tuple[str, ...] = getattr(self, name)
        return ids

    @property
    def subjects(self) -> tuple[str, ...]:
        """Ids of all roles."""
        return (*self.train, *self.val, *self.test)

    @property
    def digest(self) -> str:
        """SHA-256 of the ids of each role, independent of name, note and order."""
        return digest_json({role: sorted(self.role(role)) for role in ROLES})

    def only(self, ids: Iterable[str]) -> "Split":
        """The same roles for these patients alone."""
        kept = set(ids)
        train, val, test = (tuple(id_ for id_ in self.role(role) if id_ in kept) for role in ROLES)
        return replace(self, train=train, val=val, test=test)

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable values, including the digest."""
        roles = {role: list(self.role(role)) for role in ROLES}
        return {"name": self.name, "digest": self.digest, "note": self.note, **roles}


FOLDER, SUFFIX = "configs/splits", ".txt"
HEAD = ("name", "source", "prefix", "digest")
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


def apply_split(whole: Split, ids: Iterable[str], *, subset: bool = False) -> Split:
    """A list applied to the patients at hand; patients that it does not name are left out.

    Args:
        subset: accept that patients of the list are absent; the note then reads `n of N`.

    Raises:
        DataError: listed patients are missing from the data, or none of the patients of a role is present.
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
            f"({shown}, ...); use --set task.subset=true to run on the {count} present"
        )
    kept = whole.only(present)
    empty = [role for role in ROLES if whole.role(role) and not kept.role(role)]
    if empty:
        raise DataError(f"split {whole.name}: {count} patients are present, none of them for {' and '.join(empty)}")
    return replace(kept, note=f"{count}; {whole.note}")


def disagreement(a: Split, b: Split) -> Disagreement:
    """Compare the roles of the patients in both splits."""
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
