"""Reads all files of one patient and measures them, or reports every problem."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.facts import PERCENTILES, SubjectFacts, Triple
from uad_bench.data.likeness import thumbnail
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.data.volume import Affine, PatientReader, Volume
from uad_bench.errors import DataError
from uad_bench.method import Modality

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

AFFINE_TOLERANCE = 1e-3  # largest difference of any entry, in mm (or mm per voxel)
LABEL = "label"  # the role, in messages
LARGEST_LABEL = 255
ROUNDING = 1e-3  # largest distance of a label value from a whole number that is taken for rounding
SHOWN_VALUES = 32


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a patient cannot be used.

    Attributes:
        kind: `missing`, `broken`, `shape`, `affine`, `empty` or `label`; for ids `doubled` or `name`.
    """

    subject: str
    kind: str
    message: str


def inspect(subject: Subject, modalities: Sequence[Modality]) -> tuple[SubjectFacts | None, list[Problem]]:
    """Read every file of a patient once; return its facts, or None and all problems found."""
    reading = _Reading(subject)
    images = {name: volume for name in modalities if (volume := reading.modality(name))}
    mask = reading.file(subject.brain_mask, "brain mask")
    label = reading.file(subject.label, LABEL)
    reading.compare_grids()
    for name, image in images.items():
        if not image.array.any():
            reading.add_problem("empty", f"{subject.images[name].path}: every voxel of {name} is zero")
    if label and (complaint := _label_complaint(whole_numbers(label.array))):
        reading.add_problem("label", f"{subject.label.path if subject.label else ''}: {complaint}")
    if reading.problems:
        return None, reading.problems
    brain = brain_mask([image.array for image in images.values()], mask.array if mask else None)
    if not brain.any():
        reading.add_problem("empty", f"{subject.id}: the brain mask is empty")
        return None, reading.problems
    return _facts(subject, images, brain, label), []


def brain_mask(images: Iterable[Array], shipped: Array | None = None) -> Mask:
    """Brain mask (X, Y, Z) bool: the dataset's mask above 0.5 if it has one, else where any modality is non-zero."""
    if shipped is not None:
        return np.asarray(shipped > 0.5)
    first, *others = images
    brain = first != 0
    for image in others:
        brain |= image != 0
    return np.asarray(brain)


def anomaly_mask(label: Array, values: tuple[int, ...] | None) -> Mask:
    """Anomaly mask: label values in `values`, or by default all values above 0."""
    return np.asarray(label > 0 if values is None else np.isin(label, values))


def whole_numbers(label: Array) -> Array:
    """The label with values a rounding away from whole numbers made whole; as it is where any value is further away."""
    return np.round(label) if 0 < _rounding(label) <= ROUNDING else label


def bounding_box(mask: Mask) -> tuple[Triple, Triple]:
    """First and one-past-last index of the true voxels along X, Y, Z."""
    lines = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    (x0, x1), (y0, y1), (z0, z1) = ((int(line[0]), int(line[-1]) + 1) for line in lines)
    return (x0, y0, z0), (x1, y1, z1)


def inside(array: Array, box: tuple[Triple, Triple]) -> Array:
    """The part of a volume inside a box."""
    (x0, y0, z0), (x1, y1, z1) = box
    return array[x0:x1, y0:y1, z0:z1]


def digest_voxels(array: Array) -> str:
    """SHA-256 of shape and values as little-endian float32, independent of the stored type and compression."""
    values = np.asfortranarray(array, dtype="<f4") + np.float32(0)  # -0 becomes 0
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(values.T.data)
    return digest.hexdigest()


@dataclass
class _Reading:
    """Volumes read so far for one patient, and the problems found."""

    subject: Subject
    reader: PatientReader = field(default_factory=PatientReader)
    problems: list[Problem] = field(default_factory=list)
    volumes: dict[str, tuple[ImageFile, Volume]] = field(default_factory=dict)

    def add_problem(self, kind: str, message: str) -> None:
        self.problems.append(Problem(self.subject.id, kind, message))

    def modality(self, name: Modality) -> Volume | None:
        file = self.subject.images.get(name)
        if file is None:
            has = ", ".join(sorted(self.subject.images)) or "none"
            self.add_problem("missing", f"{self.subject.id}: modality {name!r} is missing (it has {has})")
        return self.file(file, name)

    def file(self, file: ImageFile | None, role: str) -> Volume | None:
        if file is None:
            return None
        try:
            volume = self.reader.read(file)
        except DataError as error:
            self.add_problem("broken", str(error))
            return None
        self.volumes[role] = file, volume
        return volume

    def compare_grids(self) -> None:
        """Blame every file whose stored grid is not that of the first, but for a label that is only turned."""
        roles = list(self.volumes)
        for role in roles[1:]:
            (_, first), (file, volume) = self.volumes[roles[0]], self.volumes[role]
            if role == LABEL and _is_turned(volume, first):
                continue
            if volume.stored.shape != first.stored.shape:
                shapes = f"{role} has shape {volume.stored.shape}, {roles[0]} has {first.stored.shape}"
                self.add_problem("shape", f"{file.path}: {shapes}")
            elif (gap := _gap(volume.stored.affine, first.stored.affine)) > AFFINE_TOLERANCE:
                self.add_problem("affine", f"{file.path}: the affines of {role} and {roles[0]} differ by {gap:.4g}")


def _is_turned(volume: Volume, scan: Volume) -> bool:
    """Whether both have one grid and store its axes in different orders, as programs that draw labels often do."""
    if volume.stored.codes == scan.stored.codes or volume.array.shape != scan.array.shape:
        return False
    return _gap(volume.affine, scan.affine) <= AFFINE_TOLERANCE


def _gap(first: Affine, second: Affine) -> float:
    return float(np.abs(first - second).max())


def _rounding(label: Array) -> float:
    """The largest distance of any value from a whole number."""
    return float(np.abs(label - np.round(label)).max()) if label.dtype.kind == "f" else 0.0


def _label_complaint(label: Array) -> str | None:
    values = np.unique(label)
    shown = ", ".join(f"{v:g}" for v in values[:SHOWN_VALUES])
    if (values != np.round(values)).any():
        return f"label values are not whole numbers ({shown}); threshold the mask and save it again as integers"
    if values.min() < 0 or values.max() > LARGEST_LABEL:
        return f"label values are not between 0 and {LARGEST_LABEL} ({shown})"
    return None


def _facts(subject: Subject, images: Mapping[str, Volume], brain: Mask, label: Volume | None) -> SubjectFacts:
    first, box = next(iter(images.values())), bounding_box(brain)
    return SubjectFacts(
        id=subject.id,
        patient=subject.patient,
        shape=(brain.shape[0], brain.shape[1], brain.shape[2]),
        spacing=first.spacing,
        affine=tuple(tuple(map(float, row)) for row in first.affine),
        orientation=first.stored.codes,
        dtypes={name: str(image.array.dtype) for name, image in images.items()},
        digests={name: digest_voxels(image.array) for name, image in images.items()},
        brain_area=_areas(brain),
        box=box,
        border=_border(brain_mask(image.array for image in images.values())),
        percentiles={
            name: tuple(map(float, np.percentile(image.array[brain], PERCENTILES))) for name, image in images.items()
        },
        thumbnails={n: thumbnail(inside(i.array, box), inside(brain, box), first.spacing) for n, i in images.items()},
        file_sizes=_file_sizes(subject, images),
        **_label_facts(subject, brain, label),
    )


def _label_facts(subject: Subject, brain: Mask, label: Volume | None) -> dict[str, Any]:
    if label is None:
        none = (0,) * brain.shape[2] if subject.healthy else None
        areas = {"labelled_area": none, "anomaly_area": none, "label_values": (), "undeclared_values": ()}
        return {**areas, "label_digest": None, "outside_brain": 0}
    array = whole_numbers(label.array)
    values = tuple(int(v) for v in np.unique(array))
    anomaly = anomaly_mask(array, subject.anomaly_values)
    known = {0, *subject.declared_values} if subject.declared_values else set(values)
    return {
        "labelled_area": _areas(array > 0),
        "anomaly_area": _areas(anomaly),
        "label_values": values,
        "undeclared_values": tuple(v for v in values if v not in known),
        "label_digest": digest_voxels(array),
        "label_orientation": label.stored.codes,
        "label_rounding": _rounding(label.array),
        "outside_brain": int((anomaly & ~brain).sum()),
    }


def _areas(mask: Mask) -> tuple[int, ...]:
    return tuple(int(n) for n in np.count_nonzero(mask, axis=(0, 1)))


def _border(nonzero: Mask) -> float:
    edges = [nonzero[0], nonzero[-1], nonzero[:, 0], nonzero[:, -1]]
    return float(sum(edge.sum() for edge in edges) / sum(edge.size for edge in edges))


def _file_sizes(subject: Subject, images: Iterable[str]) -> dict[str, int]:
    files = {
        **{name: subject.images[name] for name in images},
        "label": subject.label,
        "brain_mask": subject.brain_mask,
    }
    return {role: file.path.stat().st_size for role, file in files.items() if file}
