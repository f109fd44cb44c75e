"""Split of patients into training, validation and test; an overlapping split is refused."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from uad_bench.data.subject import patient_id
from uad_bench.digests import digest_json
from uad_bench.errors import DataError, LeakError

ROLES = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint sets of patients.

    Attributes:
        name: name of the split, such as `hash` or `mmccd`.
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
