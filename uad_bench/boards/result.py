"""One run of a leaderboard, and access to the metrics of its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uad_bench.runs.metric_rows import MetricRow, find_row, key_of
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import RunRecord

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MetricKey:
    """A metric, identified by name, threshold policy, aggregation over patients and post-processing chain."""

    name: str
    policy: str | None = None
    aggregation: str = "pooled"
    chain: str = "none"

    @property
    def key(self) -> str:
        """Its key among the replicates of a record."""
        key = key_of(self.name, self.policy, self.aggregation)
        return key if self.chain == "none" else f"{key}/{self.chain}"

    def in_chain(self, chain: str) -> "MetricKey":
        """The same metric after another post-processing chain."""
        return MetricKey(self.name, self.policy, self.aggregation, chain)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One run.

    Attributes:
        replicates: jackknife replicates (n,) by metric key; empty if there are none.
        rescored: metric rows computed later from the run's maps: lesion metrics, and all of the common chain.
        maps: SHA-256 of each score map by subject.
        experiment: the requested experiment, as stored in the run folder; None if it is missing.
        command: command that reproduces this run.
        verified: whether every map matched its digest when the board was built.
        present: whether the maps are on this machine, so that the metrics can be recomputed here.
    """

    record: RunRecord
    replicates: Mapping[str, Values] = field(default_factory=dict)
    rescored: tuple[MetricRow, ...] = ()
    maps: Mapping[str, str] = field(default_factory=dict)
    experiment: StoredExperiment | None = None
    command: str = ""
    verified: bool = False
    present: bool = False

    @property
    def method(self) -> str:
        """The method's registered name."""
        return self.record.method.name

    @property
    def name(self) -> str:
        """The run's name, `task/method/seed0-1a2b3c4d`."""
        return self.record.run

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.seed

    @property
    def built_in(self) -> bool:
        """Whether the method ships with uad-bench."""
        return self.record.method.origin.startswith("uad-bench ")

    @property
    def failed(self) -> bool:
        """Whether the method failed."""
        return self.record.status != "ok"

    @property
    def metrics(self) -> tuple[MetricRow, ...]:
        """The record's metric rows and the rescored ones."""
        return (*self.record.metrics, *self.rescored)

    def find(self, metric: MetricKey) -> MetricRow | None:
        """The metric row of this metric; None if there is none."""
        name, policy, how = metric.name, metric.policy, metric.aggregation
        return find_row(self.metrics, name, policy, aggregation=how, chain=metric.chain)
