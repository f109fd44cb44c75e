"""Stored confidence intervals, compared with those of recomputed replicates."""

import math
from collections.abc import Iterator, Mapping

from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.uncertainty import t_quantile
from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import RunRecord
from uad_bench.verification.curve import NAN, Values
from uad_bench.verification.replicates import interval


def check_stored_intervals(record: RunRecord, replicates: Mapping[str, Values]) -> Iterator[Finding]:
    """Check the intervals of a record against its stored replicates."""
    for row in record.metrics:
        yield from check_interval(row, replicates.get(row.key), stored=row.key in replicates)


def check_interval(
    row: MetricRow,
    replicates: Values | None,
    *,
    stored: bool = True,
) -> Iterator[Finding]:
    """Check the interval of a row, including whether it should have one.

    Args:
        replicates: its replicates, from which the interval is recomputed; None if there are none.
        stored: whether replicates of the metric are stored.
    """
    where = f"record.json {row.key}"
    ends = row.low, row.high
    if replicates is None or (not stored and ends != (None, None)):
        if ends != (None, None):
            yield Finding(where, "has an interval, but no replicates")
        return
    low, high, within = NAN, NAN, TOLERANCE
    if row.value is not None and row.n_subjects > 1:
        proportion = METRICS[row.name].proportion
        low, high = interval(row.value, replicates, n_patients=row.n_subjects, proportion=proportion)
        within = TOLERANCE * t_quantile(0.975, row.n_subjects - 1)  # by which an error of the replicates grows
    if not stored and not math.isnan(low):
        yield Finding(where, "has no replicates")
    yield from differs(f"{where} low", ends[0], low, within=within)
    yield from differs(f"{where} high", ends[1], high, within=within)
