"""What is allowed but changes how a cohort's numbers are read: found from facts alone, counted over patients."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from uad_bench.data.facts import SubjectFacts

BARE_BORDER = 0.05  # share of non-zero voxels on the in-plane border below which a scan counts as skull-stripped
WHOLE_HEAD = 0.6  # share of non-zero voxels above which it does not, whatever the border
NAMED = 3  # patients that a sentence names


@dataclass(frozen=True, slots=True)
class CohortWarning:
    """One kind of finding.

    Attributes:
        kind: `whole_head`, `undeclared_label_values`, `rounded_label`, `turned_label`, `empty_label` or
            `anomaly_outside_brain`.
        count: patients it holds for.
        message: one sentence that names the first of them.
    """

    kind: str
    count: int
    message: str


def skull_state(facts: SubjectFacts) -> str:
    """`stripped`, `whole head`, or `remnants` where a stripped scan still touches the border."""
    if facts.brain_voxels > WHOLE_HEAD * np.prod(facts.shape):
        return "whole head"
    return "stripped" if facts.border < BARE_BORDER else "remnants"


def has_empty_label(facts: SubjectFacts) -> bool:
    """Whether there is a label file in which nothing is an anomaly."""
    return facts.labelled and bool(facts.label_digest) and not facts.anomaly_voxels


def find_cohort_warnings(facts: Iterable[SubjectFacts]) -> list[CohortWarning]:
    """Everything odd about these patients, one entry a kind, in a fixed order."""
    known = list(facts)
    found = {kind: [fact for fact in known if holds(fact)] for kind, (holds, _) in KINDS.items()}
    return [CohortWarning(kind, len(odd), _sentence(kind, odd, len(known))) for kind, odd in found.items() if odd]


KINDS: Mapping[str, tuple[Callable[[SubjectFacts], bool], str]] = {
    "whole_head": (
        lambda fact: skull_state(fact) == "whole head",
        "nearly all voxels are non-zero, so that skull and background count as brain and flatter every metric",
    ),
    "undeclared_label_values": (
        lambda fact: bool(fact.undeclared_values),
        "the label has values that the data set does not declare",
    ),
    "rounded_label": (lambda fact: fact.label_rounding > 0, "label values are not whole numbers and are rounded"),
    "turned_label": (
        lambda fact: fact.label_turned,
        "the label is stored in another axis order than the scans and is turned; look whether it fits",
    ),
    "empty_label": (has_empty_label, "the label is empty: their voxels count, their own AP and Dice are undefined"),
    "anomaly_outside_brain": (lambda fact: fact.outside_brain > 0, "anomaly voxels lie outside the brain"),
}


def _sentence(kind: str, odd: list[SubjectFacts], patients: int) -> str:
    names = ", ".join(fact.id for fact in odd[:NAMED]) + (", ..." if len(odd) > NAMED else "")
    values = sorted({value for fact in odd for value in fact.undeclared_values})
    which = f" ({', '.join(map(str, values))})" if kind == "undeclared_label_values" else ""
    return f"{len(odd)} of {patients} patients ({names}): {KINDS[kind][1]}{which}"
