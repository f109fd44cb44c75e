"""Subgroups of the test patients, by lesion size or by a column of the cohort's table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from uad_bench.data.subject import Subject
from uad_bench.errors import unknown

TERTILES = ("small", "middle", "large")
MOST_VALUES = 8  # a column with more distinct numbers is divided at its tertiles


@dataclass(frozen=True, slots=True)
class Grouping:
    """A partition of patients into groups.

    Attributes:
        name: `size`, or the name of a column.
        values: patients by value; patients without a value are in no group.
        cuts: limits between groups of numbers, ascending.
    """

    name: str
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()


def size_groups(anomaly_mm3: Mapping[str, float]) -> Grouping:
    """Tertiles of lesion volume among patients with lesions; no groups with fewer than three such patients."""
    return _tertiles("size", {subject: volume for subject, volume in anomaly_mm3.items() if volume > 0})


def column_groups(subjects: Sequence[Subject], column: str) -> Grouping:
    """Patients by a column of the cohort's table; many distinct numbers are divided at their tertiles.

    Raises:
        ConfigError: no patient has this column.
    """
    known = {subject.id: subject.attributes[column] for subject in subjects if subject.attributes.get(column)}
    if not known:
        raise unknown("column of patients.csv", column, {name for s in subjects for name in s.attributes})
    if len(set(known.values())) > MOST_VALUES and all(map(_is_number, known.values())):
        return _tertiles(column, {subject: float(value) for subject, value in known.items()})
    groups = defaultdict(set)
    for subject, value in known.items():
        groups[value].add(subject)
    return Grouping(column, {value: frozenset(groups[value]) for value in sorted(groups)})


def _tertiles(name: str, numbers: Mapping[str, float]) -> Grouping:
    if len(numbers) < len(TERTILES):
        return Grouping(name)
    cuts = np.quantile(list(numbers.values()), [1 / 3, 2 / 3])
    place = {subject: TERTILES[int(np.searchsorted(cuts, number))] for subject, number in numbers.items()}
    members = {value: frozenset(s for s, where in place.items() if where == value) for value in TERTILES}
    return Grouping(name, {value: group for value, group in members.items() if group}, tuple(map(float, cuts)))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
