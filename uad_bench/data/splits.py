"""Own splits by patient: a salted hash of the id, or K folds. Published lists are in `split_lists`."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from uad_bench.data.split import ROLES, Split
from uad_bench.data.split_lists import Disagreement, apply_split, disagreement, load_split, named_split, split_names
from uad_bench.data.subject import patient_id
from uad_bench.errors import DataError

__all__ = [
    "Disagreement",
    "Split",
    "apply_split",
    "disagreement",
    "fold_splits",
    "hash_split",
    "load_split",
    "named_split",
    "split_names",
    "unit_hash",
    "unseen_split",
]

TEST_SHARE, VAL_SHARE = 0.20, 0.05
SMALL_COHORT = 200  # labelled patients; below it the shares are cut by rank
FEWEST = 2  # patients for validation, and for testing
EVERYBODY = "everybody"  # name of a split without training patients
SALT, FOLD_SALT = "uad-bench-split-1", "uad-bench-fold-1"


def hash_split(ids: Iterable[str], *, labelled: Collection[str], salt: str = SALT) -> Split:
    """20 % test, 5 % validation, by a salted hash of the patient: adding patients never moves one.

    Patients without a label are for training only. Below 200 labelled patients the shares are cut by rank of the hash,
    at least 2 each, and the note says so; there a new patient can move another.

    Raises:
        DataError: fewer than 5 labelled patients.
    """
    groups = _by_patient(ids)
    ranked = _ranked(groups, labelled, salt)
    small = len(ranked) < SMALL_COHORT
    roles = _roles_by_rank(ranked) if small else {p: _role_by_hash(unit_hash(p, salt)) for p in ranked}
    note = f"{len(ranked)} labelled patients: cut by rank of the hash" if small else ""
    return _assign("hash", groups, lambda patient: roles.get(patient, "train"), note)


def unseen_split(ids: Collection[str]) -> Split:
    """For weights from elsewhere: nobody trains, and all are tested but those who validate in the hash split.

    Up to 4 patients are too few to choose thresholds on any of them.
    """
    if len(set(map(patient_id, ids))) <= 2 * FEWEST:
        return Split(EVERYBODY, (), (), tuple(sorted(ids)), "too few patients to choose thresholds on")
    roles = hash_split(ids, labelled=ids)
    return Split(EVERYBODY, (), roles.val, tuple(sorted((*roles.train, *roles.test))), roles.note)


def fold_splits(
    ids: Iterable[str], k: int, *, labelled: Collection[str] | None = None, salt: str = FOLD_SALT
) -> list[Split]:
    """K splits in which every labelled patient is tested once; each takes validation patients from its training part.

    Patients without a label are for training only; by default all have one.

    Raises:
        DataError: k is below 2, or leaves no patient to train on.
    """
    groups = _by_patient(ids)
    ranked = _ranked(groups, labelled, salt)
    if not 2 <= k <= len(ranked) or len(ranked) < 3:
        raise DataError(f"{len(ranked)} labelled patients cannot make {k} folds; 2 to {len(ranked)} need 3 patients")
    fold = {p: i % k if len(ranked) < SMALL_COHORT else int(k * unit_hash(p, salt)) for i, p in enumerate(ranked)}
    return [_one_fold(groups, fold, index, k) for index in range(k)]


def unit_hash(patient: str, salt: str) -> float:
    """A number in [0, 1) that depends on the patient and the salt alone: 8 bytes of SHA-256(salt, 0, patient)."""
    digest = hashlib.sha256(f"{salt}\0{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _by_patient(ids: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for id_ in sorted(ids):
        groups[patient_id(id_)].append(id_)
    return groups


def _ranked(groups: dict[str, list[str]], labelled: Collection[str] | None, salt: str) -> list[str]:
    """Patients with a label, in the order of their hash."""
    known = groups.keys() if labelled is None else set(map(patient_id, labelled))
    return sorted((p for p in groups if p in known), key=lambda p: unit_hash(p, salt))


def _role_by_hash(u: float) -> str:
    return "test" if u < TEST_SHARE else "val" if u < TEST_SHARE + VAL_SHARE else "train"


def _roles_by_rank(ranked: Sequence[str]) -> dict[str, str]:
    test, val = (max(FEWEST, round(share * len(ranked))) for share in (TEST_SHARE, VAL_SHARE))
    if len(ranked) <= test + val:
        raise DataError(
            f"{len(ranked)} labelled patients are too few for training, {val} validation and {test} test patients; "
            "use --folds K, or a named split"
        )
    names = ["test"] * test + ["val"] * val + ["train"] * (len(ranked) - test - val)
    return dict(zip(ranked, names, strict=True))


def _one_fold(groups: dict[str, list[str]], fold: dict[str, int], index: int, k: int) -> Split:
    rest = [p for p, where in fold.items() if where != index]
    count = min(max(FEWEST, round(VAL_SHARE * len(rest))), len(rest) - 1)
    # Starting at another place for each fold gives other validation patients to each.
    start = index * count % len(rest)
    val = {rest[(start + i) % len(rest)] for i in range(count)}
    role = {p: "test" if where == index else "val" if p in val else "train" for p, where in fold.items()}
    return _assign(f"fold{index}", groups, lambda p: role.get(p, "train"), f"fold {index + 1} of {k}")


def _assign(name: str, groups: dict[str, list[str]], role: Callable[[str], str], note: str) -> Split:
    roles: dict[str, list[str]] = {r: [] for r in ROLES}
    for patient, ids in groups.items():
        roles[role(patient)] += ids
    train, val, test = (tuple(sorted(roles[r])) for r in ROLES)
    return Split(name, train, val, test, note)
