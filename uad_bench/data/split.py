"""A split: who trains, who validates, who is tested; one that overlaps cannot be made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from uad_bench.data.subject import patient_id
from uad_bench.digests import digest_json
from uad_bench.errors import DataError, LeakError

ROLES = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint roles of patients.

    Attributes:
        name: how it was made, such as `hash` or `mmccd`.
        train: ids; healthy-looking slices of these are learned from.
        val: ids; thresholds and hyperparameters are chosen on these.
        test: ids; looked at once.
        note: what a reader of the table must know, such as `"9 of 1113"`.

    Raises:
        LeakError: a patient, under any of their scans, stands in two roles.
        DataError: an id stands twice in a role.
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
                raise DataError(f"split {self.name}: {', '.join(twice[:5])} stand twice in {role}; remove doubled rows")
            for patient in map(patient_id, ids):
                if owners.setdefault(patient, role) != role:
                    raise LeakError(f"split {self.name}: patient {patient} is in both {owners[patient]} and {role}")

    def role(self, name: str) -> tuple[str, ...]:
        """The ids of `train`, `val` or `test`."""
        ids: tuple[str, ...] = getattr(self, name)
        return ids

    @property
    def subjects(self) -> tuple[str, ...]:
        """All ids of all roles."""
        return (*self.train, *self.val, *self.test)

    @property
    def digest(self) -> str:
        """SHA-256 of who stands where; name, note and order do not count."""
        return digest_json({role: sorted(self.role(role)) for role in ROLES})

    def only(self, ids: Iterable[str]) -> "Split":
        """The same roles for these patients alone."""
        kept = set(ids)
        train, val, test = (tuple(id_ for id_ in self.role(role) if id_ in kept) for role in ROLES)
        return replace(self, train=train, val=val, test=test)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the digest."""
        roles = {role: list(self.role(role)) for role in ROLES}
        return {"name": self.name, "digest": self.digest, "note": self.note, **roles}
