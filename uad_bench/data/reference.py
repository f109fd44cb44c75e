"""Reference brain and anomaly masks on the scan's own grid, used for evaluation and never passed to a method."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.cache import Cache
from uad_bench.data.facts import SubjectFacts, Triple
from uad_bench.data.inspection import anomaly_mask, bounding_box, brain_mask, inside, whole_numbers
from uad_bench.data.subject import Subject
from uad_bench.data.volume import PatientReader, for_each_patient
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError, DataError
from uad_bench.method import Modality, Report

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Brain and anomaly masks of one patient.

    Attributes:
        shape: shape of the canonical volume, (X, Y, Z) voxels.
        affine: rows of the 4x4 matrix, voxel -> mm.
        spacing: voxel size in mm.
        box: bounding box of brain and anomaly: first and one-past-last voxel.
        brain: (bx, by, bz) bool inside the box.
        anomaly: (bx, by, bz) bool inside the box.
    """

    id: str
    shape: Triple
    affine: tuple[tuple[float, ...], ...]
    spacing: tuple[float, float, float]
    box: tuple[Triple, Triple]
    brain: Mask
    anomaly: Mask

    def crop(self, score_map: Scores) -> Scores:
        """The part of a score map (X, Y, Z) inside the box.

        Raises:
            DataError: the shape of the map differs from that of the scan.
        """
        if score_map.shape != self.shape:
            raise DataError(f"{self.id}: score map has shape {score_map.shape}, the scan has {self.shape}")
        return inside(score_map, self.box)


@dataclass(frozen=True, slots=True)
class References(Mapping[str, Reference]):
    """References by patient, each read from disk on access to limit memory use."""

    facts: Mapping[str, SubjectFacts]
    kept: Cache
    entries: Mapping[str, str]

    def __getitem__(self, subject: str) -> Reference:
        return _load(self.facts[subject], self.kept, self.entries[subject])

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def build_references(
    subjects: Sequence[Subject],
    census: Mapping[str, SubjectFacts],
    *,
    modalities: Sequence[Modality] | None = None,
    cache: Path,
    report: Report | None = None,
) -> References:
    """References of every labelled patient; those of subjects declared healthy have an empty anomaly mask.

    Args:
        subjects: subjects to evaluate; those without a label are left out.
        census: facts of at least these subjects.
        modalities: modalities whose non-zero voxels define the brain; by default all modalities of the census.
        cache: root folder of the cache; entries are stored in its folder `references`.
    """
    kept = Cache.of(cache, "references")
    judged = [subject for subject in subjects if census[subject.id].labelled]
    names = {s.id: tuple(modalities or census[s.id].modalities) for s in judged}
    entries = {s.id: _key(s, census[s.id], names[s.id]) for s in judged}
    for_each_patient(lambda s: _ensure(s, names[s.id], kept, entries[s.id]), judged, "building references", report)
    return References(census, kept, entries)


def _key(subject: Subject, facts: SubjectFacts, modalities: Sequence[Modality]) -> str:
    images = {name: facts.digests[name] for name in modalities}
    content = [VERSION, images, facts.box, facts.brain_area, facts.label_digest, subject.anomaly_values]
    return digest_json(content)[:32]


def _ensure(subject: Subject, modalities: Sequence[Modality], kept: Cache, key: str) -> None:
    if kept.holds(key):
        return
    read = PatientReader().read
    images = [read(subject.images[name]).array for name in modalities]
    brain = brain_mask(images, read(subject.brain_mask).array if subject.brain_mask else None)
    label = whole_numbers(read(subject.label).array) if subject.label else np.zeros(brain.shape, np.uint8)
    anomaly = anomaly_mask(label, subject.anomaly_values)
    box = bounding_box(brain | anomaly)
    bits = np.packbits(np.stack([inside(brain, box), inside(anomaly, box)]))
    kept.write(key, {".npy": bits}, {"box": box})


def _load(facts: SubjectFacts, kept: Cache, key: str) -> Reference:
    try:
        low, high = (tuple(corner) for corner in kept.read(key)["box"])
        packed = kept.array(key)
    except (ConfigError, OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{facts.id}: the cached reference is damaged ({error}); run the command again to recompute it"
        ) from error
    size = [b - a for a, b in zip(low, high, strict=True)]
    brain, anomaly = np.unpackbits(packed, count=2 * int(np.prod(size))).reshape(2, *size).astype(bool)
    return Reference(facts.id, facts.shape, facts.affine, facts.spacing, (low, high), brain, anomaly)
