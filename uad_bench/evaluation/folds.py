"""Cross-validation records: means over folds, each with its own model, threshold and score scale."""

from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_json
from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.uncertainty import t_interval
from uad_bench.runs.cost import cost_of_folds
from uad_bench.runs.events import weakest
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import NO_NUMBERS, Jackknife, Numbers, RunRecord, RunWarning, SplitFacts, Subjects
from uad_bench.runs.tables import Replicates, load_replicates, mean_of_folds, write_columns


def pool_folds(run: Run, records: Sequence[RunRecord], *, n_folds: int) -> RunRecord:
    """The record over folds: each metric is the mean over folds, with an interval from patients of all folds.

    Each fold has its own model, threshold and score scale, so scores of different folds are never pooled.
    """
    last = records[-1]
    isolation = weakest(fold.environment.isolation for fold in records)
    shared = {
        **dict(NO_NUMBERS),
        "run": run.name,
        "fold": None,
        **({"selection": None} if last.selection else {}),
        "n_folds": n_folds,
        "warnings": _distinct(warning for fold in records for warning in fold.warnings),
        "environment": last.environment.model_copy(update={"isolation": isolation}),
        "fold_validation": tuple(len(fold.subjects.val or ()) for fold in records),
    }
    if last.status != "ok":
        return run.seal(last.model_copy(update=shared))
    replicates = mean_of_folds([fold.metrics for fold in records], [load_replicates(fold) for fold in run.folds])
    digest = digest_json([fold.task.split.digest for fold in records])
    split = SplitFacts(name=f"{n_folds} folds", digest=digest, note="")
    pooled = {
        "metrics": mean_metrics([fold.metrics for fold in records], replicates),
        "jackknife": jackknife_of_folds(records, replicates),
        "subjects": Subjects(test=tuple(sorted(name for fold in records for name in fold.subjects.test))),
        "task": last.task.model_copy(update={"split": split}),
        "cost": cost_of_folds([fold.cost for fold in records]),
    }
    write_columns(run.replicates, replicates)
    return run.seal(last.model_copy(update=shared | pooled))


def mean_metrics(folds: Sequence[Sequence[MetricRow]], replicates: Replicates) -> tuple[MetricRow, ...]:
    """The mean over folds of each metric of the first fold, with intervals from replicates (n,) by key."""
    tables = [{metric.key: metric for metric in fold} for fold in folds]
    return tuple(_mean([table.get(key) for table in tables], replicates.get(key)) for key in tables[0])


def jackknife_of_folds(folds: Sequence[Numbers], replicates: Replicates) -> Jackknife:
    """Digests of the patients of each fold, and the metrics with replicates."""
    drawn = (fold.jackknife.rows if fold.jackknife else None for fold in folds)
    rows = tuple(digest if isinstance(digest, str) else None for digest in drawn)
    return Jackknife(rows=rows, metrics=tuple(replicates))


def _distinct(warnings: Iterable[RunWarning]) -> tuple[RunWarning, ...]:
    """Each warning of any fold, once."""
    return tuple({digest_json(warning.to_json()): warning for warning in warnings}.values())


def _mean(folds: Sequence[MetricRow | None], replicates: NDArray[np.float64] | None) -> MetricRow:
    """The mean of one metric over folds; undefined if it is undefined in any fold."""
    known = [metric for metric in folds if metric is not None]
    values = [metric.value for metric in known if metric.value is not None]
    n = sum(metric.n_subjects for metric in known)
    mean = known[0].model_copy(update={"n_subjects": n, "value": None, "low": None, "high": None, "undefined": None})
    if len(values) < len(folds):
        reasons = [metric.undefined for metric in known if metric.value is None]
        return mean.model_copy(update={"undefined": (reasons or [None])[0] or "absent"})
    mean = mean.model_copy(update={"value": fmean(values)})
    if replicates is None:
        return mean
    proportion = METRICS[mean.name].proportion
    interval = t_interval(fmean(values), replicates, n_patients=n, proportion=proportion)
    if interval.undefined:
        return mean
    return mean.model_copy(update={"low": interval.low, "high": interval.high})
