"""Checks and warnings about a cohort that do not depend on the method."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from uad_bench.data.cohort import Cohort
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.gate import DuplicatePair
from uad_bench.data.split import Split
from uad_bench.errors import ConfigError, DataError

BARE_BORDER = 0.05  # fraction of non-zero voxels on the in-plane border below which a scan is considered skull-stripped
WHOLE_HEAD = 0.6  # fraction of non-zero voxels above which it is considered not skull-stripped, whatever the border
PLAUSIBLE_ML = (700, 2200)  # volumes of adult brains, with some room for masks that are too narrow or too wide
NAMED = 3  # patients named in a message
LAST_PART = re.compile(r"(.*\d.*)[_.-](?:[A-Za-z]*\d{1,2}|\d{8})")  # a visit's number or date after a patient's


@dataclass(frozen=True, slots=True)
class CohortWarning:
    """One kind of warning about a cohort.

    Attributes:
        kind: `whole_head`, `undeclared_label_values`, `rounded_label`, `turned_label`, `empty_label`,
            `anomaly_outside_brain`, `cut_brain`, `brain_volume`, `similar_ids` or `similar_scans`.
        count: patients it holds for.
        message: one sentence that names the first of them.
    """

    kind: str
    count: int
    message: str


def skull_state(facts: SubjectFacts) -> str:
    """`stripped`, `whole head`, or `remnants` if non-zero voxels reach the in-plane border of the volume."""
    if facts.brain_voxels > WHOLE_HEAD * np.prod(facts.shape):
        return "whole head"
    return "stripped" if facts.border < BARE_BORDER else "remnants"


def has_empty_label(facts: SubjectFacts) -> bool:
    """Whether the label file contains no anomaly."""
    return facts.labelled and bool(facts.label_digest) and not facts.anomaly_voxels


def find_cohort_warnings(
    facts: Iterable[SubjectFacts], near: Sequence[DuplicatePair] = (), *, field_of_view: float = inf
) -> list[CohortWarning]:
    """Warnings about these patients and their near-duplicates, one per kind, in a fixed order.

    Args:
        field_of_view: side of a working slice in mm.
    """
    known = list(facts)
    found = {kind: [fact for fact in known if holds(fact)] for kind, (holds, _) in KINDS.items()}
    warnings = [CohortWarning(kind, len(odd), _sentence(kind, odd, len(known))) for kind, odd in found.items() if odd]
    return [*warnings, *_cut_brains(known, field_of_view), *find_similar_ids(known), *_similar_scans(near)]


def _cut_brains(known: Sequence[SubjectFacts], field_of_view: float) -> Iterator[CohortWarning]:
    cut = [fact for fact in known if max(brain_width_mm(fact)) > field_of_view]
    if cut:
        widest = max(max(brain_width_mm(fact)) for fact in cut)
        yield CohortWarning(
            "cut_brain",
            len(cut),
            f"{len(cut)} of {len(known)} patients ({_named(cut)}): the brain, up to {widest:.0f} mm, is wider than the "
            f"field of view of {field_of_view:g} mm; what lies outside has the lowest score",
        )


def brain_width_mm(fact: SubjectFacts) -> tuple[float, float]:
    """Extent of the brain's bounding box along X and Y."""
    low, high = fact.box
    x, y = ((high[axis] - low[axis]) * fact.spacing[axis] for axis in (0, 1))
    return x, y


def find_odd_volumes(known: Iterable[SubjectFacts]) -> Iterator[CohortWarning]:
    """At most one warning about brains whose volume no adult brain has."""
    patients = list(known)
    odd = [fact for fact in patients if not PLAUSIBLE_ML[0] <= fact.brain_ml <= PLAUSIBLE_ML[1]]
    if odd:
        volumes = sorted(fact.brain_ml for fact in odd)
        yield CohortWarning(
            "brain_volume",
            len(odd),
            f"{len(odd)} of {len(patients)} patients ({_named(odd)}) have brains of {volumes[0]:.0f} to "
            f"{volumes[-1]:.0f} mL, outside {PLAUSIBLE_ML[0]} to {PLAUSIBLE_ML[1]} mL: look at the voxel size in the "
            "header and at the brain mask; volumes and distances depend on it",
        )


def find_similar_ids(known: Iterable[SubjectFacts]) -> Iterator[CohortWarning]:
    """At most one warning: ids that differ in a last part that may be a visit, unless a column names the patients."""
    groups: dict[str, list[str]] = defaultdict(list)
    for fact in known:
        if fact.patient == fact.id and (match := LAST_PART.fullmatch(fact.id)):
            groups[match[1]].append(fact.id)
    alike = [ids for ids in groups.values() if len(ids) > 1]
    if alike and len(groups) > 1:
        names = ", ".join(f"{ids[0]} and {ids[1]}" for ids in alike[:NAMED])
        yield CohortWarning(
            "similar_ids",
            sum(map(len, alike)),
            f"ids that differ in their last part only are taken for different patients ({names}); if they are scans "
            "of one patient, name it in a column 'patient' of patients.csv",
        )


def _similar_scans(near: Sequence[DuplicatePair]) -> Iterator[CohortWarning]:
    if near:
        pairs = "; ".join(f"{pair.first} and {pair.second}: {pair.similarity}" for pair in near[:NAMED])
        yield CohortWarning("similar_scans", len(near), f"{len(near)} pairs of patients may be one person ({pairs})")


KINDS: Mapping[str, tuple[Callable[[SubjectFacts], bool], str]] = {
    "whole_head": (
        lambda fact: skull_state(fact) == "whole head",
        "nearly all voxels are non-zero, so skull and background count as brain and every metric is too optimistic",
    ),
    "undeclared_label_values": (
        lambda fact: bool(fact.undeclared_values),
        "the label has values that the dataset does not declare",
    ),
    "empty_label": (
        has_empty_label,
        "the label is empty; voxels count in pooled metrics, per-patient AP and Dice are undefined",
    ),
    "rounded_label": (lambda fact: fact.label_rounding > 0, "label values are not whole numbers and are rounded"),
    "turned_label": (
        lambda fact: fact.label_turned,
        "the label is stored in another axis order than the scans and is turned; look whether it fits",
    ),
    "anomaly_outside_brain": (lambda fact: fact.outside_brain > 0, "anomaly voxels lie outside the brain"),
}


def _named(odd: Sequence[SubjectFacts]) -> str:
    return ", ".join(fact.id for fact in odd[:NAMED]) + (", ..." if len(odd) > NAMED else "")


def _sentence(kind: str, odd: list[SubjectFacts], patients: int) -> str:
    values = sorted({value for fact in odd for value in fact.undeclared_values})
    which = f" ({', '.join(map(str, values))})" if kind == "undeclared_label_values" else ""
    return f"{len(odd)} of {patients} patients ({_named(odd)}): {KINDS[kind][1]}{which}"


def check_cohort(cohort: Cohort) -> None:
    """Refuse a cohort that a run with baselines would refuse.

    Raises:
        ConfigError: no slice to score, or none to train on.
        DataError: scans that are not skull-stripped.
    """
    check_scans(cohort)
    for split in cohort.splits:
        check_healthy(cohort, split)


def check_scans(cohort: Cohort) -> None:
    """Refuse a slice range without brain, and scans that are not skull-stripped.

    Raises:
        ConfigError: no slice to score.
        DataError: scans that are not skull-stripped.
    """
    task, census = cohort.task, cohort.census
    if not any(cohort.scored_slices(name) for name in census):
        brain = [z for facts in census.values() for z, area in enumerate(facts.brain_area) if area]
        first, last = task.slices or (0, 0)
        raise ConfigError(
            f"task {task.name}: task.slices {first} to {last} contain no brain of any patient; "
            f"brain is in slices {min(brain)} to {max(brain)}"
        )
    whole = [name for name, facts in census.items() if skull_state(facts) == "whole head"]
    bare = [name for name in whole if cohort.subjects[name].brain_mask is None]
    if 2 * len(bare) > len(census) and not task.whole_head:
        raise DataError(
            f"{len(bare)} of {len(census)} patients, first {bare[0]}, are not skull-stripped: nearly all "
            "voxels are non-zero and would count as brain; set the background to 0, add brain masks, or accept it with "
            "--set task.whole_head=true"
        )


def check_healthy(cohort: Cohort, split: Split) -> None:
    """Refuse a task without healthy training slices.

    Raises:
        ConfigError: naming the setting to change.
    """
    if any(cohort.train_slices(split).values()):
        return
    closer = replace(cohort, task=replace(cohort.task, margin=0))
    found = any(closer.train_slices(split).values())
    advice = (
        f"lower the margin of {cohort.task.margin} with --set task.margin=0"
        if found
        else f"no slice without labels has {cohort.task.min_brain:.0%} brain; lower task.min_brain or widen task.slices"
    )
    raise ConfigError(f"task {cohort.task.name}: no healthy slice is left to train on: {advice}")
