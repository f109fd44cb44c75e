"""Warnings about properties of a cohort that are allowed but affect the interpretation of metrics."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uad_bench.data.facts import SubjectFacts
from uad_bench.data.gate import DuplicatePair

BARE_BORDER = 0.05  # fraction of non-zero voxels on the in-plane border below which a scan is considered skull-stripped
WHOLE_HEAD = 0.6  # fraction of non-zero voxels above which it is considered not skull-stripped, whatever the border
NAMED = 3  # patients named in a message
LAST_PART = re.compile(r"(.*\d.*)[_.-](?:[A-Za-z]*\d{1,2}|\d{8})")  # a visit's number or date after a patient's


@dataclass(frozen=True, slots=True)
class CohortWarning:
    """One kind of warning about a cohort.

    Attributes:
        kind: `whole_head`, `undeclared_label_values`, `rounded_label`, `turned_label`, `empty_label`,
            `anomaly_outside_brain`, `similar_ids` or `similar_scans`.
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


def find_cohort_warnings(facts: Iterable[SubjectFacts], near: Sequence[DuplicatePair] = ()) -> list[CohortWarning]:
    """Warnings about these patients and their near-duplicates, one per kind, in a fixed order."""
    known = list(facts)
    found = {kind: [fact for fact in known if holds(fact)] for kind, (holds, _) in KINDS.items()}
    warnings = [CohortWarning(kind, len(odd), _sentence(kind, odd, len(known))) for kind, odd in found.items() if odd]
    return [*warnings, *find_similar_ids(known), *_similar_scans(near)]


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


def _sentence(kind: str, odd: list[SubjectFacts], patients: int) -> str:
    names = ", ".join(fact.id for fact in odd[:NAMED]) + (", ..." if len(odd) > NAMED else "")
    values = sorted({value for fact in odd for value in fact.undeclared_values})
    which = f" ({', '.join(map(str, values))})" if kind == "undeclared_label_values" else ""
    return f"{len(odd)} of {patients} patients ({names}): {KINDS[kind][1]}{which}"
