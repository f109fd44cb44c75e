"""Check for data leakage before training: no test patient may be part of the training data, whatever its id.

Near-duplicates are found by `uad_bench.data.likeness`; `docs/leaks.md` has the detections by transformation and the
correlations between different patients from which the two limits below were chosen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator

from uad_bench.config import validate
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.likeness import decode, registered_correlation, resemblance, smoothness
from uad_bench.data.split import ROLES, Split
from uad_bench.data.subject import patient_id
from uad_bench.errors import DataError, LeakError
from uad_bench.method import Modality

CANDIDATE = 0.45  # resemblance above which two thumbnails are registered
PARTNERS = 3  # most candidates of a patient
LISTED, REFUSED = 0.8, 0.9  # correlation of the registered thumbnails
REFUSED_SMOOTH, SMOOTH = 0.97, 0.6  # limit where neighbouring cells of both correlate more; of real scans 0.57


def _decodable(text: str) -> str:
    decode([text])
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What of a patient finds the same brain elsewhere, as a checkpoint keeps it of those it was trained on.

    Attributes:
        patient: id of the patient, which several scans share.
        digests: SHA-256 of each modality's decoded voxels.
        thumbnails: of each modality, see `uad_bench.data.likeness`.
    """

    id: str
    patient: str
    digests: tuple[str, ...]
    thumbnails: Mapping[Modality, Annotated[str, AfterValidator(_decodable)]]


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two scans that are identical or near-duplicates.

    Attributes:
        correlation: absolute correlation of the registered thumbnails; 1 for equal voxels.
        limit: correlation above which the pair is refused in two roles.
        equal: whether all decoded voxels of that modality are equal.
        mirrored: whether the scans match after one is mirrored left to right.
    """

    first: str
    second: str
    modality: Modality
    correlation: float
    equal: bool = False
    mirrored: bool = False
    limit: float = REFUSED

    @property
    def refused(self) -> bool:
        """Whether the two scans must not be in different roles."""
        return self.correlation > self.limit

    @property
    def similarity(self) -> str:
        """Description of the similarity of the two scans."""
        if self.equal:
            return "identical voxels"
        return f"{'mirrored ' if self.mirrored else ''}near-duplicates (correlation {self.correlation:.4f})"


def check_splits(splits: Sequence[Split], census: Mapping[str, SubjectFacts]) -> tuple[DuplicatePair, ...]:
    """Refuse splits with duplicate scans. Labels are ignored, since different patients may have equal, empty labels.

    Args:
        splits: splits to check, such as folds; every `Split` is already free of overlapping ids.
        census: facts of at least the patients of the splits.

    Returns:
        near-duplicates that should be reviewed: in different roles, but not similar enough to refuse the split, or in
        the same role.

    Raises:
        LeakError: scans of one patient, or identical or near-identical images under two ids, in different roles.
        DataError: identical images under two ids in the same role, or a patient without facts.
    """
    facts = {fact.id: fact for split in splits for fact in _facts_of(split, census)}
    equal, near = list(equal_scans(facts.values())), near_scans(list(facts.values()))
    for split in splits:
        role = _roles(split)
        _refuse_shared_patients(split, [facts[id_] for id_ in role])
        for pair in (*equal, *(pair for pair in near if pair.refused)):
            if {pair.first, pair.second} <= role.keys() and (pair.equal or role[pair.first] != role[pair.second]):
                raise _refusal(split, pair, role)
    return tuple(near)


def equal_scans(facts: Iterable[SubjectFacts]) -> Iterator[DuplicatePair]:
    """Pairs of ids with identical decoded voxels in any modality, regardless of its name and compression."""
    owners: dict[str, str] = {}
    for fact in facts:
        for modality, digest in fact.digests.items():
            owner = owners.setdefault(digest, fact.id)
            if owner != fact.id:
                yield DuplicatePair(owner, fact.id, modality, 1.0, equal=True)
                break


def near_scans(
    first: Sequence[SubjectFacts | Signature], second: Sequence[SubjectFacts | Signature] | None = None
) -> list[DuplicatePair]:
    """Pairs of different patients whose brains correlate, most similar first: of the first with the second, if given.

    The best partners of each patient, by the resemblance of any modality, are registered.
    """
    others = first if second is None else second
    best, modality_of = _resemblances(first, others)
    best[[[one.patient == other.patient for other in others] for one in first]] = 0
    candidates = _candidates(best) if second is not None else {(min(pair), max(pair)) for pair in _candidates(best)}
    pairs = [_compared(first[i], others[j], str(modality_of[i, j])) for i, j in candidates]
    return sorted((pair for pair in pairs if pair.correlation > LISTED), key=lambda pair: -pair.correlation)


def training_manifest(split: Split, census: Mapping[str, SubjectFacts]) -> dict[str, dict[str, Any]]:
    """What a checkpoint carries so that it can be refused elsewhere: fields of each training patient's signature."""
    return {
        fact.id: {
            "patient": fact.patient,
            "digests": sorted(fact.digests.values()),
            "thumbnails": dict(fact.thumbnails),
        }
        for fact in (census[id_] for id_ in split.train)
    }


def check_checkpoint(training: Mapping[str, Any], split: Split, census: Mapping[str, SubjectFacts]) -> None:
    """Refuse weights that were trained on a validation or test patient of this split.

    Args:
        training: what `training_manifest` gave; of older checkpoints image digests (one, or a list of them) by id.

    Raises:
        ConfigError: the training set is nothing of the kind.
        LeakError: a training patient, its voxels or all but the same brain under another name, is to be scored.
    """
    trained = [_signature(id_, value) for id_, value in training.items()]
    patients = {patient for signature in trained for patient in (signature.patient, patient_id(signature.id))}
    seen = {digest for signature in trained for digest in signature.digests}
    for role in ("test", "val"):
        for id_ in split.role(role):
            fact = census.get(id_)
            same_voxels = seen & {*fact.digests.values(), fact.digest} if fact else set()
            if {patient_id(id_), fact.patient if fact else id_} & patients or same_voxels:
                raise LeakError(f"the checkpoint was trained on {id_}, a {role} patient of split {split.name}")
    for pair in near_scans(trained, [census[id_] for id_ in (*split.val, *split.test) if id_ in census]):
        if pair.refused:
            raise LeakError(
                f"the checkpoint was trained on {pair.first}: {pair.modality} of it and of {pair.second} are "
                f"{pair.similarity}; leave {pair.second} out"
            )


def _refuse_shared_patients(split: Split, facts: Iterable[SubjectFacts]) -> None:
    role = _roles(split)
    owners: dict[str, SubjectFacts] = {}
    for fact in facts:
        owner = owners.setdefault(fact.patient, fact)
        if role[owner.id] != role[fact.id]:
            raise LeakError(
                f"split {split.name}: {owner.id} ({role[owner.id]}) and {fact.id} ({role[fact.id]}) are scans of "
                f"patient {fact.patient}; put them into one role"
            )


def _signature(id_: str, value: Any) -> Signature:
    fields = value if isinstance(value, Mapping) else {"digests": [value] if isinstance(value, str) else value}
    if "difference_hashes" in fields:  # an older checkpoint, whose thumbnails are of another kind
        fields = {"digests": fields.get("digests")}
    absent: dict[str, Any] = {"patient": patient_id(id_), "thumbnails": {}}
    return validate(Signature, {**absent, **fields, "id": id_}, f"training set of a checkpoint, {id_}")


def _roles(split: Split) -> dict[str, str]:
    return {id_: name for name in ROLES for id_ in split.role(name)}


def _facts_of(split: Split, census: Mapping[str, SubjectFacts]) -> list[SubjectFacts]:
    absent = [id_ for id_ in split.subjects if id_ not in census]
    if absent:
        raise DataError(f"split {split.name}: {len(absent)} patients are not in the data, first {absent[0]}")
    return [census[id_] for id_ in split.subjects]


def _resemblances(
    first: Sequence[SubjectFacts | Signature], second: Sequence[SubjectFacts | Signature]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.str_]]:
    """Resemblance of each pair (N, M) in the modality in which it is largest, and that modality."""
    shape = (len(first), len(second))
    best, which = np.zeros(shape, np.float32), np.full(shape, "", dtype="<U64")
    for modality in sorted({m for fact in first for m in fact.thumbnails} & {m for f in second for m in f.thumbnails}):
        rows, columns = ([i for i, f in enumerate(group) if modality in f.thumbnails] for group in (first, second))
        cells = [
            decode([group[i].thumbnails[modality] for i in those])
            for group, those in ((first, rows), (second, columns))
        ]
        found, place = resemblance(*cells), np.ix_(rows, columns)
        which[place] = np.where(found > best[place], modality, which[place])
        best[place] = np.maximum(best[place], found)
    return best, which


def _candidates(best: npt.NDArray[np.float32]) -> set[tuple[int, int]]:
    """Places of the largest resemblances of each row, as far as they are above the limit."""
    columns = np.argsort(-best, axis=1, kind="stable")[:, :PARTNERS]
    return {(i, int(j)) for i, row in enumerate(columns) for j in row if best[i, j] > CANDIDATE}


def _compared(one: SubjectFacts | Signature, other: SubjectFacts | Signature, modality: Modality) -> DuplicatePair:
    cells = decode([one.thumbnails[modality], other.thumbnails[modality]])
    alike, mirrored = registered_correlation(*cells)
    limit = REFUSED_SMOOTH if min(map(smoothness, cells)) > SMOOTH else REFUSED
    return DuplicatePair(one.id, other.id, modality, alike, mirrored=mirrored, limit=limit)


def _refusal(split: Split, pair: DuplicatePair, role: Mapping[str, str]) -> DataError:
    first, second = role[pair.first], role[pair.second]
    what = f"{pair.modality} of {pair.first} ({first}) and {pair.second} ({second})"
    kind = DataError if first == second else LeakError
    verb = "have" if pair.equal else "are"
    return kind(f"split {split.name}: {what} {verb} {pair.similarity}; leave one of the two patients out")
