"""Compute every metric of a run from stored score maps and references. Labels are read here; methods are not run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import DataError
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.detection import DetectionCurves, alarm_rates, by_volume, operating_points
from uad_bench.evaluation.groups import Grouping, size_groups
from uad_bench.evaluation.lesion_list import LesionList, list_components
from uad_bench.evaluation.matching import at_equal_intensity
from uad_bench.evaluation.measurement import SubjectResult, measure_subject
from uad_bench.evaluation.thresholds import NOMINAL_RATES, Threshold, choose_thresholds
from uad_bench.metrics.froc import froc_thresholds
from uad_bench.metrics.lesion import LESIONS
from uad_bench.metrics.overlap import OVERLAP, fpr
from uad_bench.metrics.pooled_bins import PatientCounts, count_patients, shared_thresholds
from uad_bench.metrics.ranks import RankCounts, count_ranks
from uad_bench.metrics.surface import SURFACES
from uad_bench.metrics.uncertainty import (
    Resamples,
    leave_one_out,
    mean_replicates,
    pooled_replicates,
    summed_counts,
)
from uad_bench.metrics.value import MetricValue, undefined
from uad_bench.metrics.voxel import (
    auroc,
    average_precision,
    average_precision_gain,
    best_dice,
    fpr_at_tpr,
    prevalence,
)
from uad_bench.runs.metric_rows import Estimate, Labels

SLICE_SCORES = {"mean_brain": "", "top1pct_brain": "_top1pct"}  # reduction -> suffix of its metric names

FEW_THRESHOLDS = 1_024  # with steps of about 1/1024 the AUROC error is below the allowed shift of a replicate


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All results computed from one run's maps under one protocol.

    Attributes:
        estimates: metrics with their replicates, in the order of the record.
        groups: the same for subgroups of patients, such as tertiles of lesion size.
        counts: exact counts of the pooled test voxels, used for curves.
        rows: digest of the patients left out in turn; runs with the same digest are compared pairwise.
        size_cuts_mm3: tertile limits of the reference volume; empty with fewer than three patients with a lesion.
        components: lesions and false positives at one false positive per volume.
        detection: rates of all test patients at the thresholds of the FROC curve.
    """

    estimates: tuple[Estimate, ...]
    groups: tuple[Estimate, ...]
    subjects: tuple[SubjectResult, ...]
    thresholds: Mapping[str, Threshold]
    counts: RankCounts
    rows: str
    size_cuts_mm3: tuple[float, ...]
    components: LesionList
    detection: DetectionCurves


@dataclass(frozen=True, slots=True, eq=False)
class _EstimateInputs:
    """Counts and measurements of a set of patients, from which estimates are computed.

    Attributes:
        bins: counts at shared thresholds of these patients.
        counts: exact pooled counts of these patients.
    """

    subjects: Sequence[SubjectResult]
    thresholds: Mapping[str, Threshold]
    bins: PatientCounts
    counts: RankCounts
    resamples: Resamples
    labels: Labels


def evaluate(
    cases: Cases,
    *,
    val: Sequence[str],
    test: Sequence[str],
    shapes: bool = False,
    groupings: Sequence[Grouping] = (),
) -> Evaluation:
    """Compute every metric of a protocol.

    Args:
        cases: references and maps of validation and test patients, under the protocol.
        shapes: whether to compute lesion and surface metrics, which takes seconds per patient.
        groupings: further subgroups of the test patients, in addition to tertiles of lesion size.

    Raises:
        MethodError: a map is not finite float32 of the reference's shape.
        DataError: no test patient has a slice to evaluate.
    """
    chosen, test = cases.protocol, cases.present(test)
    if not test:
        raise DataError(f"protocol {chosen.name}: no test patient has a slice to evaluate")
    counts = count_ranks(partial(cases.voxels, test), names=test)
    thresholds = choose_thresholds(cases, sorted(val), counts)
    bins_at, shaped = _shared_thresholds(cases, test, counts), chosen.shapes if shapes else ()
    levels = froc_thresholds(counts)
    subjects = [measure_subject(cases, case, thresholds, levels=levels, shapes=shaped) for case in cases(test)]
    bins = count_patients(cases.voxels(test), bins_at)
    labels = Labels(chain=chosen.chain_name, region=chosen.region, n_subjects=len(test))
    inputs = _EstimateInputs(subjects, thresholds, bins, counts, leave_one_out(test), labels)
    sizes = size_groups({s.subject: s.anomaly_mm3 for s in subjects})
    parts = [_part(inputs, cases, g, value) for g in (sizes, *groupings) for value in g.values]
    return Evaluation(
        (
            *_estimates(inputs),
            at_equal_intensity(subjects, inputs.resamples, labels),
            *operating_points(subjects, inputs.resamples, labels),
            *alarm_rates(subjects, thresholds, inputs.resamples, labels),
        ),
        (*(e for part in parts for e in _group_estimates(part)), *by_volume(subjects, inputs.resamples, labels)),
        tuple(subjects),
        thresholds,
        counts,
        inputs.resamples.digest,
        sizes.cuts,
        list_components(cases, test, subjects, thresholds),
        DetectionCurves.of(subjects, np.ones((1, len(test)))),
    )


def _shared_thresholds(cases: Cases, test: Sequence[str], counts: RankCounts) -> NDArray[np.float32]:
    """Thresholds at which patients are counted; scores of few positives alone would make the AUROC inaccurate."""
    of_positives = shared_thresholds(counts)
    if of_positives.size >= FEW_THRESHOLDS:
        return of_positives
    each = -(-FEW_THRESHOLDS // len(test))
    samples = [np.sort(scores)[np.linspace(0, scores.size - 1, each).astype(int)] for scores, _ in cases.voxels(test)]
    return np.unique(np.concatenate([of_positives, *samples]))[::-1]


def _estimates(inputs: _EstimateInputs) -> Iterator[Estimate]:
    yield from _over_thresholds(inputs)
    yield from _at_thresholds(inputs)
    yield from _means(inputs)
    yield from _on_healthy_slices(inputs)
    yield from _of_slices(inputs)
    yield from _of_lesions(inputs)


def _group_estimates(inputs: _EstimateInputs) -> Iterator[Estimate]:
    """Rows of a group: without slice-level metrics, healthy slices, or a separate oracle."""
    yield from (e for e in _over_thresholds(inputs) if e.metric.policy is None)
    yield from _at_thresholds(inputs)
    yield from _means(inputs)
    yield from _of_lesions(inputs)


def _part(whole: _EstimateInputs, cases: Cases, grouping: Grouping, value: str) -> _EstimateInputs:
    """The inputs for the patients of one group."""
    members = grouping.values[value]
    index = np.array([i for i, s in enumerate(whole.subjects) if s.subject in members], np.int64)
    names = [whole.subjects[i].subject for i in index]
    return replace(
        whole,
        subjects=[whole.subjects[i] for i in index],
        bins=whole.bins.of(index),
        counts=count_ranks(partial(cases.voxels, names), names=names),
        resamples=leave_one_out(names),
        labels=replace(whole.labels, n_subjects=len(names), group=f"{grouping.name}={value}"),
    )


def _over_thresholds(inputs: _EstimateInputs) -> Iterator[Estimate]:
    counts, row = inputs.counts, inputs.labels.row
    found = pooled_replicates(inputs.bins, counts, inputs.resamples)
    sound = {name: values for name, values in found.values.items() if name not in found.undefined}
    base = _prevalences(inputs)
    yield row("auprc", average_precision(counts), sound.get("auprc"))
    yield row("auroc", auroc(counts), sound.get("auroc"))
    if "oracle" in inputs.thresholds and not _masks_change(inputs):
        yield row("dice", best_dice(counts).dice, sound.get("dice"), policy="oracle")
    gain = _gain(sound["auprc"], base) if "auprc" in sound else None
    yield row("auprc_gain", average_precision_gain(counts), gain)
    yield row("fpr95", fpr_at_tpr(counts))
    yield row("prevalence", prevalence(counts), base)


def _gain(area: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUPRC gain (R,); NaN in a replicate of patients without any healthy voxel."""
    healthy = np.where(base < 1, 1 - base, np.nan)
    gains: NDArray[np.float64] = (area - base) / healthy
    return gains


def _prevalences(inputs: _EstimateInputs) -> NDArray[np.float64]:
    """Share of anomalous voxels (R,) in each replicate."""
    bins, weights = inputs.bins, inputs.resamples.weights
    positives = bins.positives[:, -1] if bins.thresholds.size else np.zeros(bins.n_patients)
    shares: NDArray[np.float64] = (weights @ positives) / (weights @ bins.n_voxels)
    return shares


def _masks_change(inputs: _EstimateInputs) -> bool:
    """Whether dropping small components changes the prediction at the best Dice over scores."""
    point, oracle = best_dice(inputs.counts), inputs.thresholds["oracle"]
    if oracle.undefined or inputs.labels.group:
        return False
    return reduce(add, (s.confusions["oracle"] for s in inputs.subjects)) != point.confusion


def _at_thresholds(inputs: _EstimateInputs) -> Iterator[Estimate]:
    for policy, threshold in inputs.thresholds.items():
        if threshold.undefined:
            if policy != "oracle":  # its undefined Dice is reported in _over_thresholds
                yield inputs.labels.row("dice", undefined(threshold.undefined), policy=policy)
            continue
        found = [subject.confusions[policy] for subject in inputs.subjects]
        total, resampled = reduce(add, found), summed_counts(found, inputs.resamples)
        for name, metric in OVERLAP.items():
            if (name, policy) != ("dice", "oracle") or inputs.labels.group or _masks_change(inputs):
                yield inputs.labels.row(name, metric(total), metric.replicates(resampled), policy=policy)


def _means(inputs: _EstimateInputs) -> Iterator[Estimate]:
    """Means over the patients for whom a metric is defined, with their number."""
    shaped = [f"{name}@{p}" for p in inputs.subjects[0].lesions for name in (*SURFACES, *LESIONS)]
    averaged = [name for name, metric in OVERLAP.items() if metric.averaged]
    at_thresholds = [f"{name}@{policy}" for policy in inputs.subjects[0].confusions for name in averaged]
    for key in ("auprc", "auroc", "dice@own-oracle", *at_thresholds, *shaped):
        measures = [subject.measures[key] for subject in inputs.subjects]
        values = np.array([measure.value for measure in measures])
        defined = int(np.sum(~np.isnan(values)))
        mean = MetricValue(float(np.nanmean(values))) if defined else undefined(measures[0].undefined or "no_patient")
        name, _, policy = key.partition("@")
        replicates = mean_replicates(values, inputs.resamples)
        yield inputs.labels.row(name, mean, replicates, policy=policy or None, aggregation="mean", n_subjects=defined)


def _on_healthy_slices(inputs: _EstimateInputs) -> Iterator[Estimate]:
    """Realised false-positive rate on test slices without anomaly: overall, and percentiles over patients."""
    for policy, nominal in NOMINAL_RATES.items():
        threshold, row = inputs.thresholds.get(policy), inputs.labels.row
        if threshold is None or threshold.undefined:
            continue
        found = [subject.healthy[policy] for subject in inputs.subjects]
        realised = fpr(reduce(add, found))
        replicates = fpr.replicates(summed_counts(found, inputs.resamples))
        yield row("fpr_healthy", realised, replicates, policy=policy)
        ratio = MetricValue(realised.value / nominal, realised.undefined)
        yield row("fpr_healthy_ratio", ratio, replicates / nominal, policy=policy)
        each = np.array([one.value for one in map(fpr, found) if one.defined])
        for percent in (10, 90):
            spread = MetricValue(float(np.percentile(each, percent))) if each.size else undefined("no_negative")
            yield row("fpr_healthy", spread, policy=policy, aggregation=f"p{percent}", n_subjects=each.size)


def _of_slices(inputs: _EstimateInputs) -> Iterator[Estimate]:
    for reduction, ending in SLICE_SCORES.items():
        patients = [subject.slices.voxels(reduction) for subject in inputs.subjects]
        counts = count_ranks(partial(iter, patients))
        every = np.unique(np.concatenate([scores for scores, _ in patients]))[::-1]  # few, so no binning is needed
        bins = count_patients(patients, every)
        found = pooled_replicates(bins, counts, inputs.resamples)
        for name, of in (("auroc", auroc), ("auprc", average_precision)):
            replicates = None if name in found.undefined else found.values[name]
            yield inputs.labels.row(f"slice_{name}{ending}", of(counts), replicates)


def _of_lesions(inputs: _EstimateInputs) -> Iterator[Estimate]:
    """Lesion metrics pooled over all patients."""
    weights = inputs.resamples.weights
    for policy in inputs.subjects[0].lesions:
        counted = [subject.lesions[policy] for subject in inputs.subjects]
        total = reduce(add, counted)
        resampled = summed_counts(counted, inputs.resamples)
        for name, metric in LESIONS.items():
            yield inputs.labels.row(name, metric.of(total), metric.replicates(resampled), policy=policy)
        false = np.array([one.components - one.hits for one in counted], np.float64)
        rate = MetricValue(float(false.mean()))
        yield inputs.labels.row("lesion_fp_per_volume", rate, weights @ false / weights.sum(axis=1), policy=policy)
