"""Differences between stored and recomputed values, as findings."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.verification.curve import Values


def further_groups(stored: Sequence[MetricRow], known: Collection[str]) -> Iterator[Finding]:
    """Groups of a record that are not expected."""
    for group in sorted({str(row.group) for row in stored} - set(known)):
        yield Finding(f"record.json group {group}", "is not a group of these patients")


def first_differing(key: str, stored: Values, again: Values) -> Iterator[Finding]:
    """The first row of replicates that differs, if any."""
    same = np.isclose(stored, again, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    for k in np.flatnonzero(~same)[:1]:
        yield from differs(f"replicates.npy row {k} {key}", stored[k], again[k])
