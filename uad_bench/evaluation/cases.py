"""A patient under a protocol: post-processed scores, anomaly, and the voxels and slices that are evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.cache import Cache
from uad_bench.data.reference import Reference
from uad_bench.data.resampling import area_weights
from uad_bench.digests import digest_settings
from uad_bench.evaluation.postprocessing import Chain
from uad_bench.evaluation.protocol import Protocol
from uad_bench.metrics.alarms import SMALLEST_MM2, alarm_score
from uad_bench.metrics.lesion import SMALLEST_MM3
from uad_bench.metrics.ranks import Voxels
from uad_bench.metrics.validity import require_scores

ScoreMap = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """The evaluated slices of one patient; arrays are (x, y, S) of one shape.

    Attributes:
        z: (S,) slice indices in the scan.
        scores: float32, after the chain's steps on scores.
        anomaly: bool.
        domain: bool, the evaluated voxels.
        spacing: voxel size in mm.
        corner: x and y of the first voxel in the scan.
    """

    subject: str
    z: NDArray[np.int64]
    scores: ScoreMap
    anomaly: Mask
    domain: Mask
    spacing: tuple[float, float, float]
    corner: tuple[int, int]

    @property
    def voxels(self) -> Voxels:
        """Scores and anomaly of the evaluated voxels."""
        return self.scores[self.domain], self.anomaly[self.domain]

    @property
    def clean(self) -> Mask:
        """Evaluated voxels in slices without anomaly."""
        return self.domain & ~self.anomaly.any(axis=(0, 1))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing))

    def patient_alarm(self, least_voxels: int = 1) -> float:
        """Highest threshold at which a component of at least 50 mm³, and of so many voxels, is marked."""
        return alarm_score(self.scores, self.domain, smallest=max(SMALLEST_MM3 / self.voxel_mm3, least_voxels))


@dataclass(frozen=True, slots=True, eq=False)
class Volumes:
    """Arrays (x, y, z) of one patient, cut and resized together."""

    scores: ScoreMap
    anomaly: Mask
    brain: Mask

    def cut(self, index: tuple[Any, ...]) -> Volumes:
        """Apply the same index to each array."""
        return Volumes(self.scores[index], self.anomaly[index], self.brain[index])

    def resized(self, side: int | None) -> Volumes:
        """Slices of `side` x `side` pixels: masks by nearest neighbour, scores by area; unchanged for None."""
        if side is None:
            return self
        rows, columns = (area_weights(n, 0, n, side) for n in self.scores.shape[:2])
        scores = np.einsum("ax,xyz,by->abz", rows, self.scores, columns, optimize=True)
        return Volumes(scores.astype(np.float32), _at_side(self.anomaly, side), _at_side(self.brain, side))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Patients with reference and score map, both read on access, one patient at a time.

    Attributes:
        references: by subject.
        read: returns a subject's score map, (X, Y, Z) float32.
        protocol: defines the evaluated slices and voxels, and the post-processing.
        slices: first and last slice of the task; None means all.
        filtered: cache of post-processed maps, because a 3-D median takes seconds per patient.
        inputs: returns a subject's input in the method's grid, (X, Y, Z) float32; None if the task does not read it.
        healthy_slices: returns the task's healthy slices of a subject; None means all slices without anomaly.
        carried: thresholds by policy that come with the weights.
    """

    references: Mapping[str, Reference]
    read: Callable[[str], ScoreMap]
    protocol: Protocol
    slices: tuple[int, int] | None = None
    filtered: Cache | None = None
    inputs: Callable[[str], ScoreMap] | None = None
    healthy_slices: Callable[[str], Sequence[int]] | None = None
    carried: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, subject: str) -> Case:
        """The patient under this protocol.

        Raises:
            MethodError: the score map is not finite float32 of the scan's shape.
        """
        reference, score_map = self.references[subject], self.read(subject)
        require_scores(score_map, shape=reference.shape, name=subject)
        chain, chosen = self.protocol.steps, np.array(self.chosen_slices(reference), np.int64)
        low, high = self._box(reference, chain.halo)
        z = chosen[(chosen >= low[2]) & (chosen < high[2])]
        volumes = _volumes(reference, score_map).cut(tuple(map(slice, low, high)))
        of_all = slice(None)
        volumes = volumes.cut((of_all, of_all, z - low[2] if chain.planar else of_all)).resized(self._side)
        volumes = replace(volumes, scores=self._filter(chain, volumes))
        volumes = volumes.cut((of_all, of_all, of_all if chain.planar else z - low[2]))
        counted = volumes.brain | volumes.anomaly | (self.protocol.region == "all")
        spacing = _spacing(reference, self._side)
        return Case(subject, z, volumes.scores, volumes.anomaly, counted, spacing, (low[0], low[1]))

    def cut(self, subject: str, volume: NDArray[Any]) -> NDArray[Any]:
        """The part (x, y, S) of another volume (X, Y, Z) of the patient that its case covers, without resizing."""
        reference = self.references[subject]
        (x0, y0, low), (x1, y1, high) = self._box(reference, self.protocol.steps.halo)
        return volume[x0:x1, y0:y1, [z for z in self.chosen_slices(reference) if low <= z < high]]

    def __call__(self, subjects: Sequence[str]) -> Iterator[Case]:
        """Each of these patients, in this order."""
        return (self[subject] for subject in subjects)

    def voxels(self, subjects: Sequence[str]) -> Iterator[Voxels]:
        """Scores and anomaly of the evaluated voxels of each subject, in this order."""
        return (self[subject].voxels for subject in subjects)

    def intensities(self, case: Case) -> NDArray[np.float32]:
        """Input intensities of the evaluated voxels, in the order of `case.voxels`."""
        assert self.inputs is not None
        low, high = self._box(self.references[case.subject], self.protocol.steps.halo)
        return self.inputs(case.subject)[low[0] : high[0], low[1] : high[1], case.z][case.domain]

    def alarms(self, case: Case) -> NDArray[np.float64]:
        """Alarm score (S,) of each evaluated slice that is healthy by the task's rule and free of anomaly."""
        counted = case.clean.any(axis=(0, 1))
        if self.healthy_slices:
            counted &= np.isin(case.z, self.healthy_slices(case.subject))
        smallest = max(SMALLEST_MM2 / (case.spacing[0] * case.spacing[1]), self.protocol.steps.least_voxels)
        planes = ((case.scores[:, :, k], case.domain[:, :, k]) for k in np.flatnonzero(counted))
        return np.array([alarm_score(*plane, smallest=smallest) for plane in planes], np.float64)

    def healthy(self, subject: str) -> NDArray[np.float32]:
        """Scores of voxels in the subject's slices without anomaly, whatever slices the protocol chooses."""
        case = self.in_all_slices[subject]
        return case.scores[case.clean]

    @property
    def in_all_slices(self) -> Cases:
        """The same patients in all slices of the task."""
        return replace(self, protocol=replace(self.protocol, slices="all"))

    def chosen_slices(self, reference: Reference) -> Sequence[int]:
        """The evaluated slices of a patient: in the task's range, and chosen by the protocol."""
        depth = reference.shape[2]
        first, last = self.slices or (0, depth - 1)
        allowed = range(max(first, 0), min(last, depth - 1) + 1)
        inside = [z for z in self.protocol.slice_range(depth) if z in allowed]
        return SLICES[self.protocol.slices](reference, inside)

    def present(self, subjects: Sequence[str]) -> list[str]:
        """The subjects with at least one evaluated slice, sorted."""
        return [name for name in sorted(subjects) if self.chosen_slices(self.references[name])]

    @property
    def _side(self) -> int | None:
        return self.protocol.published.side if self.protocol.published else None

    def _box(self, reference: Reference, halo: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Corners of the part of the scan on which the evaluated voxels depend."""
        if self.protocol.region == "all":
            return (0, 0, 0), reference.shape
        low, high = reference.box
        last = zip(high, reference.shape, strict=True)
        return tuple(max(0, start - halo) for start in low), tuple(min(n, end + halo) for end, n in last)

    def _filter(self, chain: Chain, volumes: Volumes) -> ScoreMap:
        """Apply the chain, or read its cached result for the same voxels."""
        if self.filtered is None or chain.planar:
            return chain.filter(volumes.scores, volumes.brain)
        return self.filtered.recall(_key(chain, volumes), lambda: chain.filter(volumes.scores, volumes.brain))


def _all(_: Reference, inside: Sequence[int]) -> Sequence[int]:
    return inside


def _largest(reference: Reference, inside: Sequence[int]) -> Sequence[int]:
    """The first slice with the most anomaly; none where there is no anomaly."""
    area = _anomaly_area(reference)
    best = max(inside, key=lambda z: area[z], default=None)
    return [] if best is None or not area[best] else [best]


def _anomalous(reference: Reference, inside: Sequence[int]) -> Sequence[int]:
    area = _anomaly_area(reference)
    return [z for z in inside if area[z]]


SLICES: Mapping[str, Callable[[Reference, Sequence[int]], Sequence[int]]] = {
    "all": _all,
    "largest": _largest,
    "anomalous": _anomalous,
}


def _anomaly_area(reference: Reference) -> NDArray[np.int64]:
    """Anomalous voxels (Z,) of each slice."""
    area = np.zeros(reference.shape[2], np.int64)
    area[reference.box[0][2] : reference.box[1][2]] = reference.anomaly.sum(axis=(0, 1))
    return area


def _volumes(reference: Reference, score_map: ScoreMap) -> Volumes:
    """The patient on the scan's whole grid."""
    box = tuple(map(slice, *reference.box))
    anomaly, brain = np.zeros(reference.shape, bool), np.zeros(reference.shape, bool)
    anomaly[box], brain[box] = reference.anomaly, reference.brain
    return Volumes(score_map, anomaly, brain)


def _spacing(reference: Reference, side: int | None) -> tuple[float, float, float]:
    x, y, z = reference.spacing
    return (x, y, z) if side is None else (x * reference.shape[0] / side, y * reference.shape[1] / side, z)


def _at_side(array: NDArray[Any], side: int) -> NDArray[Any]:
    """Nearest voxels of (X, Y, Z) on a grid of (side, side, Z)."""
    x, y = ((np.arange(side) + 0.5) * n / side for n in array.shape[:2])
    return array[np.ix_(x.astype(np.int64), y.astype(np.int64))]


def _key(chain: Chain, volumes: Volumes) -> str:
    content = hashlib.sha256(digest_settings([chain.on_scores, volumes.scores.shape], version=1).encode())
    content.update(np.ascontiguousarray(volumes.scores).tobytes())
    content.update(np.packbits(volumes.brain).tobytes())
    return content.hexdigest()[:32]
