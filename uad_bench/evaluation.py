"""From stored score maps and references to every number of a run. Labels are read here, and no method is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.reference import Reference
from uad_bench.metrics.measure import Measure, undefined
from uad_bench.metrics.overlap import Confusion, confusion, dice, fpr, jaccard, precision, sensitivity
from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import RankCounts, Voxels, count_ranks, count_ranks_of
from uad_bench.metrics.uncertainty import (
    Interval,
    Resamples,
    confusion_replicates,
    mean_replicates,
    percentile_interval,
    pooled_replicates,
    resample,
)
from uad_bench.metrics.voxel import (
    auroc,
    average_precision,
    average_precision_gain,
    best_dice,
    fpr_at_tpr,
    prevalence,
)
from uad_bench.thresholds import HEALTHY_RATES, Threshold, best_dice_threshold, healthy_fpr_threshold

ScoreMap = NDArray[np.float32]
OVERLAP: dict[str, Callable[[Confusion], Measure]] = {
    "dice": dice,
    "jaccard": jaccard,
    "precision": precision,
    "sensitivity": sensitivity,
    "fpr": fpr,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a record, with everything that gives it its meaning.

    Attributes:
        aggregation: `pooled` over voxels of all patients, or `mean` over patients.
        policy: how the threshold was chosen; None for metrics over every threshold.
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
    n_subjects: int
    undefined: str | None = None

    @property
    def key(self) -> str:
        """`name@policy/aggregation`, unique in a record."""
        return f"{self.name}@{self.policy or 'all'}/{self.aggregation}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its bootstrap replicates (R,), where it has an interval."""

    metric: Metric
    replicates: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """One test patient's numbers.

    Attributes:
        measures: by `name` or `name@policy`.
        confusions: by policy.
        healthy: false positives and voxels in slices without anomaly, by policy.
    """

    subject: str
    measures: Mapping[str, Measure]
    confusions: Mapping[str, Confusion]
    healthy: Mapping[str, Confusion]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is computed from one run's maps.

    Attributes:
        estimates: metrics with their replicates, in the order of the record.
        counts: exact counts of the pooled test voxels, from which curves are drawn.
        rows: digest of the bootstrap rows; runs with the same rows are compared pairwise.
    """

    estimates: tuple[Estimate, ...]
    subjects: tuple[SubjectResult, ...]
    thresholds: Mapping[str, Threshold]
    counts: RankCounts
    rows: str


@dataclass(frozen=True, slots=True)
class ScoredPatients:
    """Patients with a reference and a score map each; maps are read when asked for, one at a time.

    Attributes:
        references: by subject.
        read: gives a subject's score map, (X, Y, Z) float32.
    """

    references: Mapping[str, Reference]
    read: Callable[[str], ScoreMap]

    def voxels(self, subjects: Sequence[str]) -> Iterator[Voxels]:
        """Scores and anomaly mask of each subject's brain, in this order."""
        for subject in subjects:
            yield self.references[subject].domain(self.read(subject))

    def healthy(self, subject: str) -> NDArray[np.float32]:
        """Scores of brain voxels in the subject's slices without anomaly."""
        reference = self.references[subject]
        clean = reference.box[0][2] + np.flatnonzero(~reference.anomaly.any(axis=(0, 1)))
        return reference.healthy_scores(self.read(subject), slices=clean.tolist())


def evaluate(patients: ScoredPatients, *, val: Sequence[str], test: Sequence[str], seed: int) -> Evaluation:
    """Every metric of the `volume` protocol on raw maps.

    Args:
        patients: references and maps of validation and test patients.
        seed: of the bootstrap rows; equal for all methods that are compared, so that differences are paired.

    Raises:
        MethodError: a map is not finite float32 of the reference's shape.
    """
    test = sorted(test)
    counts = count_ranks(partial(patients.voxels, test), names=test)
    thresholds = choose_thresholds(patients, val, counts)
    subjects = tuple(_subject(patients, subject, thresholds) for subject in test)
    rows = resample(len(test), seed=seed)
    estimates = (
        *_pooled_over_thresholds(patients, test, counts, rows),
        *_pooled_at_thresholds(subjects, thresholds, rows),
        *_means(subjects, rows),
    )
    return Evaluation(estimates, subjects, thresholds, counts, rows.digest)


def choose_thresholds(patients: ScoredPatients, val: Sequence[str], counts: RankCounts) -> dict[str, Threshold]:
    """One threshold a policy; only `oracle` looks at test patients."""
    scores = [patients.healthy(subject) for subject in sorted(val)]
    healthy = np.concatenate(scores) if scores else np.empty(0, np.float32)
    chosen = {policy: healthy_fpr_threshold(healthy, policy) for policy in HEALTHY_RATES}
    ill = [subject for subject in sorted(val) if patients.references[subject].anomaly.any()]
    val_counts = count_ranks(partial(patients.voxels, ill), names=ill) if ill else None
    return {
        **chosen,
        "valDice": best_dice_threshold(val_counts, "valDice"),
        "oracle": best_dice_threshold(counts, "oracle"),
    }


def _subject(patients: ScoredPatients, subject: str, thresholds: Mapping[str, Threshold]) -> SubjectResult:
    scores, anomaly = next(patients.voxels([subject]))
    healthy = patients.healthy(subject)
    counts = count_ranks_of(scores, anomaly, name=subject)
    usable = {policy: t.value for policy, t in thresholds.items() if t.undefined is None}
    confusions = {policy: confusion(scores, anomaly, threshold=value) for policy, value in usable.items()}
    none = np.zeros(healthy.shape, bool)
    return SubjectResult(
        subject,
        {
            "auprc": average_precision(counts),
            "auroc": auroc(counts),
            "prevalence": prevalence(counts),
            "dice@own-oracle": best_dice(counts).dice,
            **{f"{name}@{policy}": of(found) for policy, found in confusions.items() for name, of in OVERLAP.items()},
        },
        confusions,
        {policy: confusion(healthy, none, threshold=value) for policy, value in usable.items()},
    )


def _pooled_over_thresholds(
    patients: ScoredPatients, test: Sequence[str], counts: RankCounts, rows: Resamples
) -> Iterator[Estimate]:
    binned = count_patients(patients.voxels(test), shared_thresholds(counts))
    replicates = pooled_replicates(binned, counts, rows)
    sound = {name: values for name, values in replicates.values.items() if name not in replicates.undefined}
    n = len(test)
    yield _estimate("auprc", average_precision(counts), n, sound.get("auprc"))
    yield _estimate("auroc", auroc(counts), n, sound.get("auroc"))
    yield _estimate("dice", best_dice(counts).dice, n, sound.get("dice"), policy="oracle")
    yield _estimate("auprc_gain", average_precision_gain(counts), n)
    yield _estimate("fpr95", fpr_at_tpr(counts), n)
    yield _estimate("prevalence", prevalence(counts), n)


def _pooled_at_thresholds(
    subjects: Sequence[SubjectResult], thresholds: Mapping[str, Threshold], rows: Resamples
) -> Iterator[Estimate]:
    n = len(subjects)
    for policy, threshold in thresholds.items():
        if threshold.undefined:
            yield _estimate("dice", undefined(threshold.undefined), n, policy=policy)
            continue
        found = [subject.confusions[policy] for subject in subjects]
        total, replicates = sum(found[1:], found[0]), confusion_replicates(found, rows)
        for name, of in OVERLAP.items():
            if (name, policy) != ("dice", "oracle"):  # its threshold moves with the patients, see above
                yield _estimate(name, of(total), n, replicates[name], policy=policy)
        healthy = [subject.healthy[policy] for subject in subjects]
        replicates = confusion_replicates(healthy, rows)
        yield _estimate("fpr_healthy", fpr(sum(healthy[1:], healthy[0])), n, replicates["fpr"], policy=policy)


def _means(subjects: Sequence[SubjectResult], rows: Resamples) -> Iterator[Estimate]:
    """Means over the patients in whom a metric exists, with their number."""
    for key in ("auprc", "auroc", "dice@own-oracle", *(f"dice@{p}" for p in subjects[0].confusions)):
        values = np.array([subject.measures[key].value for subject in subjects])
        defined = int(np.sum(~np.isnan(values)))
        mean = Measure(float(np.nanmean(values))) if defined else undefined("no_positive")
        name, _, policy = key.partition("@")
        yield _estimate(name, mean, defined, mean_replicates(values, rows), policy=policy or None, aggregation="mean")


def _estimate(
    name: str,
    measure: Measure,
    n_subjects: int,
    replicates: NDArray[np.float64] | None = None,
    *,
    policy: str | None = None,
    aggregation: str = "pooled",
) -> Estimate:
    none = Interval(float("nan"), float("nan"), 0.95, "no_replicates")
    interval = none if replicates is None else percentile_interval(replicates, n_patients=n_subjects)
    bounded = measure.defined and interval.undefined is None
    metric = Metric(
        name=name,
        value=measure.value if measure.defined else None,
        undefined=measure.undefined,
        low=interval.low if bounded else None,
        high=interval.high if bounded else None,
        policy=policy,
        aggregation=aggregation,
        n_subjects=n_subjects,
    )
    return Estimate(metric, replicates if bounded else None)
