"""Metric rows of a record, with their settings and jackknife replicates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import SerializerFunctionWrapHandler, model_serializer

from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.uncertainty import Interval, t_interval
from uad_bench.metrics.value import MetricValue
from uad_bench.runs.document import Document

Replicates = NDArray[np.float64]


class MetricRow(Document):
    """One metric of a record.

    Attributes:
        aggregation: `pooled` over voxels of all patients, `mean` over patients, `slices` for a mean over slices, or
            `p10` and `p90` for percentiles over patients.
        policy: how the threshold was chosen; None for metrics over all thresholds.
        group: the patients it was computed on, such as `size=small` or `sex=F`; None for all.
        n_lesions: number of lesions that a lesion sensitivity is computed from.
        undefined: why there is no value.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    aggregation: str = "pooled"
    chain: str = "none"
    policy: str | None = None
    region: str = "brain"
    group: str | None = None
    n_subjects: int
    n_lesions: int | None = None
    undefined: str | None = None

    @property
    def key(self) -> str:
        """`name@policy/aggregation`, unique in a record; followed by `#` and the group, if any."""
        group = f"#{self.group}" if self.group else ""
        return f"{key_of(self.name, self.policy, self.aggregation)}{group}"

    @model_serializer(mode="wrap")
    def _short(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit fields without a value, except the value itself and the policy."""
        return {key: value for key, value in dump(self).items() if value is not None or key in {"value", "policy"}}


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A metric and its jackknife replicates (n,), if it can have an interval."""

    metric: MetricRow
    replicates: Replicates | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Settings shared by all rows of one evaluation.

    Attributes:
        n_subjects: number of patients, unless a metric is defined for fewer.
    """

    chain: str
    region: str
    n_subjects: int
    group: str | None = None
    n_lesions: int | None = None

    def row(
        self,
        name: str,
        measure: MetricValue,
        replicates: Replicates | None = None,
        *,
        policy: str | None = None,
        aggregation: str = "pooled",
        n_subjects: int | None = None,
    ) -> Estimate:
        """The estimate of one metric, with the interval from its replicates."""
        n = self.n_subjects if n_subjects is None else n_subjects
        interval = _interval(name, measure, replicates, n)
        metric = MetricRow(
            name=name,
            value=measure.value if measure.defined else None,
            undefined=measure.undefined,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            policy=policy,
            aggregation=aggregation,
            chain=self.chain,
            region=self.region,
            group=self.group,
            n_subjects=n,
            n_lesions=self.n_lesions,
        )
        return Estimate(metric, replicates if measure.defined else None)


def key_of(name: str, policy: str | None = None, aggregation: str = "pooled") -> str:
    """The key of a metric over all patients."""
    return f"{name}@{policy or 'all'}/{aggregation}"


def find_row(
    rows: Iterable[MetricRow], name: str, policy: str | None = None, *, aggregation: str = "pooled", chain: str = "none"
) -> MetricRow | None:
    """The first of these metrics with this name, policy, aggregation and chain, if there is one."""
    wanted = (name, policy, aggregation, chain)
    return next((row for row in rows if (row.name, row.policy, row.aggregation, row.chain) == wanted), None)


def _interval(name: str, measure: MetricValue, replicates: Replicates | None, n_subjects: int) -> Interval | None:
    if replicates is None or not measure.defined:
        return None
    interval = t_interval(measure.value, replicates, n_patients=n_subjects, proportion=METRICS[name].proportion)
    return None if interval.undefined else interval
