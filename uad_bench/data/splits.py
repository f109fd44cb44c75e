"""Patient-wise splits by a salted hash of the id, and K folds. Published splits are in `split`."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from uad_bench.data.split import ROLES, Split
from uad_bench.data.subject import patient_id
from uad_bench.errors import DataError

TEST_SHARE, VAL_SHARE = 0.20, 0.05
SMALL_COHORT = 200  # labelled patients; below this number roles are assigned by rank
FEWEST = 2  # minimum number of patients for validation, and for testing
EVERYBODY = "everybody"  # name of a split without training patients
FEWEST_FOR_FOLDS = 3  # labelled patients
SALT, FOLD_SALT = "uad-bench-split-1", "uad-bench-fold-1"


def hash_split(
    ids: Iterable[str],
    *,
    labelled: Collection[str],
    patients: Mapping[str, str] | None = None,
    clean: Collection[str] | None = None,
) -> Split:
    """Assign 20 % to test and 5 % to validation by a salted hash of the patient, so that added patients move no other.

    Patients without a label are only used for training. With fewer than 200 labelled patients, roles are assigned by
    the rank of the hash, with at least 2 patients each, as the note states; then an added patient can move another, and
    validation takes patients with a slice without anomaly first, since without any, thresholds are undefined.

    Args:
        patients: patient of each scan; by default its id says so, see `patient_id`.
        clean: ids of scans with a slice without anomaly; by default all.

    Raises:
        DataError: fewer than 5 labelled patients.
    """
    groups = _by_patient(ids, patients)
    place = {patient: unit_hash(patient, SALT) for patient in _holders(groups, labelled)}
    if len(place) < SMALL_COHORT:
        roles = _roles_by_rank(sorted(place, key=place.__getitem__), _holders(groups, clean))
        note = f"{len(place)} labelled patients: cut by rank of the hash"
    else:
        roles = {p: "test" if u < TEST_SHARE else "val" for p, u in place.items() if u < TEST_SHARE + VAL_SHARE}
        note = ""
    return _assign("hash", groups, lambda patient: roles.get(patient, "train"), note)


def unseen_split(
    ids: Collection[str], patients: Mapping[str, str] | None = None, *, clean: Collection[str] | None = None
) -> Split:
    """Split for pretrained weights: no training; validation as in the hash split, all other patients are tested.

    With up to 4 patients there is no validation either.
    """
    if len(_by_patient(ids, patients)) <= 2 * FEWEST:
        return Split(EVERYBODY, (), (), tuple(sorted(ids)), "too few patients to choose thresholds on")
    roles = hash_split(ids, labelled=ids, patients=patients, clean=clean)
    return Split(EVERYBODY, (), roles.val, tuple(sorted((*roles.train, *roles.test))), roles.note)


def fold_splits(ids: Iterable[str], k: int, *, patients: Mapping[str, str] | None = None) -> list[Split]:
    """K-fold cross-validation of labelled patients: each is tested once; those for validation are from training.

    Raises:
        DataError: k is less than 2 or greater than the number of labelled patients, or there are fewer than 3.
    """
    groups = _by_patient(ids, patients)
    place = {patient: unit_hash(patient, FOLD_SALT) for patient in groups}
    ranked = sorted(place, key=place.__getitem__)
    if not 2 <= k <= len(ranked) or len(ranked) < FEWEST_FOR_FOLDS:
        raise DataError(
            f"cannot split {len(ranked)} labelled patients into {k} folds: at least 2 folds, "
            f"{FEWEST_FOR_FOLDS} patients and one patient per fold are needed"
        )
    fold = {p: i % k if len(ranked) < SMALL_COHORT else int(k * place[p]) for i, p in enumerate(ranked)}
    return [_one_fold(groups, fold, index, k) for index in range(k)]


def unit_hash(patient: str, salt: str) -> float:
    """Hash of patient and salt as a number in [0, 1): the first 8 bytes of SHA-256(salt, 0, patient)."""
    digest = hashlib.sha256(f"{salt}\0{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _by_patient(ids: Iterable[str], patients: Mapping[str, str] | None) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for id_ in sorted(ids):
        groups[(patients or {}).get(id_) or patient_id(id_)].append(id_)
    return groups


def _holders(groups: dict[str, list[str]], ids: Collection[str] | None) -> set[str]:
    """Patients with at least one of these scans; all for None."""
    wanted = None if ids is None else set(ids)
    return {patient for patient, own in groups.items() if wanted is None or not wanted.isdisjoint(own)}


def _roles_by_rank(ranked: Sequence[str], clean: Collection[str]) -> dict[str, str]:
    test, val = (max(FEWEST, round(share * len(ranked))) for share in (TEST_SHARE, VAL_SHARE))
    if len(ranked) <= test + val:
        folds = "use --folds K, or " if len(ranked) >= FEWEST_FOR_FOLDS else ""
        raise DataError(
            f"{len(ranked)} labelled patients are too few for training, {val} validation and {test} test patients; "
            f"{folds}apply a trained run to them: uad-bench score RUN --data DIR"
        )
    rest = sorted(ranked[test:], key=lambda patient: patient not in clean)  # otherwise in the order of the hash
    names = ["test"] * test + ["val"] * val + ["train"] * (len(rest) - val)
    return dict(zip([*ranked[:test], *rest], names, strict=True))


def _one_fold(groups: dict[str, list[str]], fold: dict[str, int], index: int, k: int) -> Split:
    rest = [p for p, where in fold.items() if where != index]
    count = min(max(FEWEST, round(VAL_SHARE * len(rest))), len(rest) - 1)
    # Each fold starts at a different position, so that validation patients differ between folds.
    start = index * count % len(rest)
    val = {rest[(start + i) % len(rest)] for i in range(count)}
    role = {p: "test" if where == index else "val" if p in val else "train" for p, where in fold.items()}
    return _assign(f"fold{index}", groups, role.__getitem__, f"fold {index + 1} of {k}")


def _assign(name: str, groups: dict[str, list[str]], role: Callable[[str], str], note: str) -> Split:
    roles: dict[str, list[str]] = {r: [] for r in ROLES}
    for patient, ids in groups.items():
        roles[role(patient)] += ids
    train, val, test = (tuple(sorted(roles[r])) for r in ROLES)
    return Split(name, train, val, test, note)
