"""Check for data leakage before training: no test patient may be part of the training data, whatever its id.

Measured on real gliomas: 10 % noise, a different intensity scale, blurring or a shift by half a voxel change 0 to 4
bits of the hash, with a correlation above 0.998; different patients differ in at least 7 bits and correlate below 0.97.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from uad_bench.config import validate
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.likeness import ALONG_X, THUMBNAIL, correlation, mirror_hash, mirror_thumbnail
from uad_bench.data.split import ROLES, Split
from uad_bench.data.subject import patient_id
from uad_bench.errors import DataError, LeakError
from uad_bench.method import Modality

THUMBNAIL_TEXT = 4 * THUMBNAIL**3 // 3  # characters of a thumbnail in base64
NEAR_BITS = 4  # of the 64 bits of the difference hash that may differ
LISTED, REFUSED = 0.98, 0.995  # normalised cross-correlation of the brains


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What of a patient finds the same brain elsewhere, as a checkpoint keeps it of those it was trained on.

    Attributes:
        digests: SHA-256 of each modality's decoded voxels.
        difference_hashes: 64 bits of each modality, in hex.
        thumbnails: 12 x 12 x 12 grey values of each modality, base64.
    """

    id: str
    digests: tuple[str, ...]
    difference_hashes: Mapping[Modality, Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]]
    thumbnails: Mapping[Modality, Annotated[str, Field(pattern=rf"^[A-Za-z0-9+/]{{{THUMBNAIL_TEXT}}}$")]]


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two scans that are identical or near-duplicates.

    Attributes:
        first: id of one subject.
        second: id of the other subject.
        modality: the modality with the highest correlation.
        correlation: normalised cross-correlation of the brains reduced to 12 x 12 x 12; 1 for equal voxels.
        equal: whether all decoded voxels of that modality are equal.
        mirrored: whether the scans match after one is mirrored left to right.
    """

    first: str
    second: str
    modality: Modality
    correlation: float
    equal: bool = False
    mirrored: bool = False

    @property
    def similarity(self) -> str:
        """Description of the similarity of the two scans."""
        if self.equal:
            return "identical voxels"
        return f"{'mirrored ' if self.mirrored else ''}near-duplicates (correlation {self.correlation:.4f})"


def check_split(split: Split, census: Mapping[str, SubjectFacts]) -> tuple[DuplicatePair, ...]:
    """Refuse a split with duplicate scans. Labels are ignored, since different patients may have equal, empty labels.

    Args:
        split: split to check; every `Split` is already free of overlapping ids.
        census: facts of at least the patients of the split.

    Returns:
        near-duplicates in different roles whose similarity is too low to refuse the split but should be reviewed.

    Raises:
        LeakError: identical or near-identical images under two ids in different roles.
        DataError: identical images under two ids in the same role, or a patient without facts.
    """
    facts = _facts_of(split, census)
    role = {id_: name for name in ROLES for id_ in split.role(name)}
    for pair in equal_scans(facts):
        raise _refusal(split, pair, role)
    near = tuple(pair for pair in near_scans(facts) if role[pair.first] != role[pair.second])
    for pair in near:
        if pair.correlation > REFUSED:
            raise _refusal(split, pair, role)
    return near


def equal_scans(facts: Iterable[SubjectFacts]) -> Iterator[DuplicatePair]:
    """Pairs of ids with identical decoded voxels in any modality, regardless of its name and compression."""
    owners: dict[str, str] = {}
    for fact in facts:
        for modality, digest in fact.digests.items():
            owner = owners.setdefault(digest, fact.id)
            if owner != fact.id:
                yield DuplicatePair(owner, fact.id, modality, 1.0, equal=True)
                break


def near_scans(facts: Iterable[SubjectFacts | Signature]) -> list[DuplicatePair]:
    """Pairs of different patients, one entry each, whose hashes differ in few bits and whose brains correlate."""
    known = list(facts)
    best: dict[tuple[str, str], DuplicatePair] = {}
    for modality in sorted({m for fact in known for m in fact.difference_hashes}):
        for pair in _near_in(modality, [fact for fact in known if modality in fact.difference_hashes]):
            ids = (pair.first, pair.second)
            best[ids] = max(best.get(ids, pair), pair, key=lambda one: one.correlation)
    return sorted(best.values(), key=lambda one: -one.correlation)


def training_manifest(split: Split, census: Mapping[str, SubjectFacts]) -> dict[str, dict[str, Any]]:
    """What a checkpoint carries so that it can be refused elsewhere: fields of each training patient's signature."""
    return {id_: _signature_fields(census[id_]) for id_ in split.train}


def check_checkpoint(training: Mapping[str, Any], split: Split, census: Mapping[str, SubjectFacts]) -> None:
    """Refuse weights that were trained on a validation or test patient of this split.

    Args:
        training: what `training_manifest` gave; of older checkpoints image digests (one, or a list of them) by id.
        split: the one to be scored.
        census: facts of its patients.

    Raises:
        ConfigError: the training set is nothing of the kind.
        LeakError: a training patient, its voxels or all but the same brain under another name, is to be scored.
    """
    trained = [_signature(id_, value) for id_, value in training.items()]
    patients = {patient_id(id_) for id_ in training}
    seen = {digest for signature in trained for digest in signature.digests}
    for role in ("test", "val"):
        for id_ in split.role(role):
            same_voxels = seen & {*census[id_].digests.values(), census[id_].digest} if id_ in census else set()
            if patient_id(id_) in patients or same_voxels:
                raise LeakError(f"the checkpoint was trained on {id_}, a {role} patient of split {split.name}")
    _refuse_near(trained, [census[id_] for id_ in (*split.val, *split.test) if id_ in census])


def _refuse_near(trained: Sequence[Signature], judged: Sequence[SubjectFacts]) -> None:
    own = {fact.id for fact in judged}
    for pair in near_scans([*trained, *judged]):
        if pair.correlation > REFUSED and pair.first not in own and pair.second in own:
            raise LeakError(
                f"the checkpoint was trained on {pair.first}: {pair.modality} of it and of {pair.second} are "
                f"{pair.similarity}; leave {pair.second} out"
            )


def _signature_fields(fact: SubjectFacts) -> dict[str, Any]:
    return {
        "digests": sorted(fact.digests.values()),
        "difference_hashes": dict(fact.difference_hashes),
        "thumbnails": dict(fact.thumbnails),
    }


def _signature(id_: str, value: Any) -> Signature:
    fields = value if isinstance(value, Mapping) else {"digests": [value] if isinstance(value, str) else value}
    absent: dict[str, Any] = {"difference_hashes": {}, "thumbnails": {}}
    return validate(Signature, {**absent, **fields, "id": id_}, f"training set of a checkpoint, {id_}")


def _facts_of(split: Split, census: Mapping[str, SubjectFacts]) -> list[SubjectFacts]:
    absent = [id_ for id_ in split.subjects if id_ not in census]
    if absent:
        raise DataError(f"split {split.name}: {len(absent)} patients are not in the data, first {absent[0]}")
    return [census[id_] for id_ in split.subjects]


def _near_in(modality: Modality, facts: list[SubjectFacts | Signature]) -> Iterator[DuplicatePair]:
    hashes = [int(fact.difference_hashes[modality], 16) for fact in facts]
    straight, mirrored = (np.array(values, np.uint64) for values in (hashes, [mirror_hash(h) for h in hashes]))
    yield from _alike(modality, facts, np.bitwise_count(straight[:, None] ^ straight), mirrored=False)
    yield from _alike(modality, facts, np.bitwise_count((straight[:, None] ^ mirrored) & ALONG_X), mirrored=True)


def _alike(
    modality: Modality, facts: list[SubjectFacts | Signature], bits: npt.NDArray[np.uint8], *, mirrored: bool
) -> Iterator[DuplicatePair]:
    """Pairs with highly correlated brains, among those whose hashes differ in few bits (N, N)."""
    for i, j in np.argwhere(np.triu(bits <= NEAR_BITS, 1)):
        first, second = facts[i], facts[j]
        small = second.thumbnails[modality]
        other = mirror_thumbnail(small) if mirrored else small
        alike = float(correlation([first.thumbnails[modality], other])[0, 1])
        if alike > LISTED and patient_id(first.id) != patient_id(second.id):
            yield DuplicatePair(first.id, second.id, modality, alike, mirrored=mirrored)


def _refusal(split: Split, pair: DuplicatePair, role: Mapping[str, str]) -> DataError:
    first, second = role[pair.first], role[pair.second]
    what = f"{pair.modality} of {pair.first} ({first}) and {pair.second} ({second})"
    kind = DataError if first == second else LeakError
    verb = "have" if pair.equal else "are"
    return kind(f"split {split.name}: {what} {verb} {pair.similarity}; leave one of the two patients out")
