"""Selection of healthy axial slices for training, and of slices to score, from a patient's facts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uad_bench.data.facts import SubjectFacts
from uad_bench.method import SliceKey

Range = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class HealthyRule:
    """Criteria for healthy slices.

    Attributes:
        margin: number of slices on either side that must be free of any label as well.
        min_brain: minimum brain area, as a fraction of the whole slice.
        slices: first and last z, inclusive; None means all slices.
    """

    margin: int = 2
    min_brain: float = 0.05
    slices: Range = None


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """Number of slices left after each criterion, applied in this order, summed over patients.

    Attributes:
        enough_brain: of those, slices with the minimum brain area.
        label_free: of those, slices without any label value above 0.
        healthy: of those, slices whose margin is free of labels as well; these are used for training.
    """

    in_range: int
    enough_brain: int
    label_free: int
    healthy: int
    patients: int
    patients_without: int


def healthy_keys(facts: SubjectFacts, rule: HealthyRule) -> tuple[SliceKey, ...]:
    """Healthy slices of one patient, in order of z; empty if the patient has no label and is not declared healthy."""
    *_, healthy = _stages(facts, rule)
    return tuple(SliceKey(facts.id, int(z)) for z in np.flatnonzero(healthy))


def scored_slices(facts: SubjectFacts, slices: Range = None) -> tuple[int, ...]:
    """The z indices in the range (first and last, inclusive) whose slices contain brain."""
    brain = np.asarray(facts.brain_area) > 0
    return tuple(int(z) for z in np.flatnonzero(brain & _in_range(facts, slices)))


def has_clean_slice(facts: SubjectFacts, slices: Range = None) -> bool:
    """Whether a scored slice of a labelled patient is free of anomaly, as thresholds on healthy voxels need one."""
    return facts.anomaly_area is not None and not all(facts.anomaly_area[z] for z in scored_slices(facts, slices))


def count_slices(facts: Iterable[SubjectFacts], rule: HealthyRule) -> SliceCounts:
    """Count the slices left after each criterion, over these patients."""
    counts = np.array([[stage.sum() for stage in _stages(f, rule)] for f in facts], dtype=int).reshape(-1, 4)
    in_range, enough_brain, label_free, healthy = (int(n) for n in counts.sum(0))
    without = int((counts[:, 3] == 0).sum())
    return SliceCounts(in_range, enough_brain, label_free, healthy, len(counts), without)


def _stages(facts: SubjectFacts, rule: HealthyRule) -> list[npt.NDArray[np.bool_]]:
    """Masks (Z,) of the slices left after each criterion: range, brain, label, margin."""
    x, y, z = facts.shape
    in_range = _in_range(facts, rule.slices)
    enough = in_range & (np.asarray(facts.brain_area) >= max(1, rule.min_brain * x * y))
    labelled = np.ones(z, bool) if facts.labelled_area is None else np.asarray(facts.labelled_area) > 0
    near = np.convolve(labelled, np.ones(2 * rule.margin + 1), mode="full")[rule.margin : rule.margin + z] > 0.5
    return [in_range, enough, enough & ~labelled, enough & ~near]


def _in_range(facts: SubjectFacts, slices: Range) -> npt.NDArray[np.bool_]:
    z = np.arange(facts.shape[2])
    return np.ones(len(z), bool) if slices is None else (z >= slices[0]) & (z <= slices[1])
