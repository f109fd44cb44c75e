"""One row of a board: the runs of a method over seeds, summarised as one set of metrics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np

from uad_bench.boards.result import MetricKey, Result, Values
from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.uncertainty import t_interval
from uad_bench.runs.events import is_isolated
from uad_bench.runs.metric_rows import MetricRow


@dataclass(frozen=True, slots=True)
class SeedMean:
    """Mean of a metric over seeds.

    Attributes:
        value: None where it is undefined, or was not computed.
        low: lower end of the 95 % interval over patients.
        spread: standard deviation over seeds; None for a single seed.
        undefined: reason code of an undefined value; None where it was not computed.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    undefined: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A method with one setting.

    Attributes:
        label: the method's name and, if it has several rows, the settings in which they differ.
        results: its runs, one per seed, sorted by seed; includes failed ones.
        asked: number of seeds of the board.
        baseline: whether it is a trivial baseline.
        bound: whether it is an upper bound, which saw labels and is never ranked.
    """

    label: str
    results: tuple[Result, ...]
    asked: int = 1
    baseline: bool = False
    bound: bool = False

    @property
    def sound(self) -> tuple[Result, ...]:
        """The runs that have results."""
        return tuple(result for result in self.results if not result.failed)

    @property
    def complete(self) -> bool:
        """Whether every seed of the board has results; for a trivial baseline, which is not trained, one suffices."""
        return len(self.sound) >= (1 if self.baseline else self.asked)

    @property
    def rankable(self) -> bool:
        """Whether it has results, no seed failed, and it is no upper bound; it may have fewer seeds than others."""
        return bool(self.sound) and len(self.sound) == len(self.results) and not self.bound

    @property
    def failure(self) -> str | None:
        """Reason code of a row without results; None otherwise."""
        return None if self.sound else self.results[0].record.reason or "unknown"

    @property
    def deterministic(self) -> bool:
        """Whether several seeds produced identical score maps."""
        digests = {tuple(sorted(result.maps.items())) for result in self.sound}
        return len(self.sound) > 1 and len(digests) == 1 and bool(self.sound[0].maps)

    @property
    def isolated(self) -> bool:
        """Whether all records state that the operating system isolated the run from the labels."""
        return all(is_isolated(result.record.environment.isolation) for result in self.sound)

    def number(self, metric: MetricKey) -> SeedMean:
        """Mean over seeds, with an interval over the patients that all seeds share."""
        metrics = [result.find(metric) for result in self.sound]
        if not metrics or any(metric is None for metric in metrics):
            return SeedMean(None)
        known = [metric for metric in metrics if metric is not None]
        lacking = [metric for metric in known if metric.value is None]
        if lacking:
            return SeedMean(None, undefined=lacking[0].undefined or "undefined")
        values = [metric.value for metric in known if metric.value is not None]
        spread = stdev(values) if len(values) > 1 else None
        return SeedMean(fmean(values), *self._interval(metric, known), spread=spread)

    def replicates(self, metric: MetricKey) -> Values | None:
        """Mean over seeds of the jackknife replicates (n,); None if a seed lacks them."""
        columns = [result.replicates.get(metric.key) for result in self.sound]
        if not columns or any(column is None for column in columns):
            return None
        mean: Values = np.mean(np.stack([column for column in columns if column is not None]), axis=0)
        return mean

    def cost(self, name: str, merge: Callable[[list[float]], float] = fmean) -> float | None:
        """A cost, by default its mean over seeds."""
        costs = [getattr(result.record.cost, name) for result in self.sound]
        known = [float(cost) for cost in costs if cost is not None]
        return merge(known) if known else None

    def about(self, name: str) -> Any:
        """A property of the method, such as `parameters`, from its first successful run."""
        return getattr(self.sound[0].record.method, name) if self.sound else None

    def _interval(self, metric: MetricKey, rows: Sequence[MetricRow]) -> tuple[float | None, float | None]:
        """Interval of the mean over seeds; of a single run without replicates, as recorded."""
        replicates = self.replicates(metric)
        if replicates is None:
            return (rows[0].low, rows[0].high) if len(rows) == 1 else (None, None)
        mean, proportion = fmean(row.value or 0.0 for row in rows), METRICS[metric.name].proportion
        interval = t_interval(mean, replicates, n_patients=rows[0].n_subjects, proportion=proportion)
        return (None, None) if interval.undefined else (interval.low, interval.high)
