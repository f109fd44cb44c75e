"""Measurements of one patient: overlap at each threshold, lesions, surfaces, slice scores and healthy slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import DataError
from uad_bench.evaluation.cases import Case, Cases
from uad_bench.evaluation.postprocessing import Chain
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.metrics.froc import LesionCurve, lesion_curve
from uad_bench.metrics.lesion import LESIONS, LesionCounts, count_lesions
from uad_bench.metrics.matched import MatchedPairs, compare_matched
from uad_bench.metrics.overlap import OVERLAP, Confusion, confusion_of, fpr, smallest_float32
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.slicewise import SliceScores, slice_scores
from uad_bench.metrics.surface import SURFACES, surface_distances
from uad_bench.metrics.value import MetricValue
from uad_bench.metrics.voxel import auroc, average_precision, best_dice, prevalence

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SubjectResult:
    """Measurements of one test patient.

    Attributes:
        measures: by `name` or `name@policy`.
        confusions: by policy.
        healthy: voxel counts in slices without anomaly, by policy.
        lesions: by policy; empty if `shapes` was empty.
        slices: one score per slice.
        anomaly_mm3: lesion volume in the reference, mm³.
        curve: lesions and false positives at the thresholds of the FROC curve.
        slice_alarms: alarm score of each lesion-free slice.
        patient_alarm: alarm score of a healthy patient; None for a patient with anomaly.
        matched: voxels of equal input intensity; None without the input.
    """

    subject: str
    measures: Mapping[str, MetricValue]
    confusions: Mapping[str, Confusion]
    healthy: Mapping[str, Confusion]
    lesions: Mapping[str, LesionCounts]
    slices: SliceScores
    anomaly_mm3: float
    curve: LesionCurve
    slice_alarms: NDArray[np.float64]
    patient_alarm: float | None
    matched: MatchedPairs | None


def measure_subject(
    cases: Cases,
    case: Case,
    thresholds: Mapping[str, Threshold],
    *,
    levels: NDArray[np.floating[Any]],
    shapes: Sequence[str] = (),
) -> SubjectResult:
    """Measure one patient.

    Args:
        cases: all patients under the protocol.
        thresholds: by policy; undefined ones are left out.
        levels: thresholds of the FROC curve, descending.
        shapes: policies for which lesion and surface metrics are computed.
    """
    chain = cases.protocol.steps
    predicted = {p: _predict(case, t.value, chain) for p, t in thresholds.items() if t.undefined is None}
    confusions = {p: confusion_of(mask[case.domain], case.anomaly[case.domain]) for p, mask in predicted.items()}
    healthy = {p: _false_alarms(mask, case.clean) for p, mask in predicted.items()}
    shaped = {p: predicted[p] for p in shapes if p in predicted}
    lesions = {p: count_lesions(mask, case.anomaly, voxel_mm3=case.voxel_mm3) for p, mask in shaped.items()}
    return SubjectResult(
        case.subject,
        {
            **_over_thresholds(case),
            **_overlaps(confusions),
            **_volumes(case, confusions, healthy),
            **_shapes(case, shaped, lesions),
        },
        confusions,
        healthy,
        lesions,
        slice_scores(case.scores, case.anomaly, domain=case.domain),
        float(case.anomaly.sum()) * case.voxel_mm3,
        _curve(case, levels, chain),
        cases.alarms(case),
        None if case.anomaly.any() else case.patient_alarm(chain.least_voxels),
        _matched(cases, case),
    )


def _matched(cases: Cases, case: Case) -> MatchedPairs | None:
    """None if the task does not read its input, or the scan cannot be scaled."""
    try:
        return compare_matched(*case.voxels, cases.intensities(case)) if cases.inputs else None
    except DataError:
        return None


def _curve(case: Case, levels: NDArray[np.floating[Any]], chain: Chain) -> LesionCurve:
    return lesion_curve(
        case.scores, case.anomaly, case.domain, levels, voxel_mm3=case.voxel_mm3, least_voxels=chain.least_voxels
    )


def _predict(case: Case, threshold: float, chain: Chain) -> Mask:
    """Predicted voxels (x, y, S) of the domain."""
    return chain.clean((case.scores >= smallest_float32(threshold)) & case.domain)


def _over_thresholds(case: Case) -> dict[str, MetricValue]:
    counts = count_ranks_of(*case.voxels, name=case.subject)
    return {
        "auprc": average_precision(counts),
        "auroc": auroc(counts),
        "prevalence": prevalence(counts),
        "dice@own-oracle": best_dice(counts).dice,
    }


def _overlaps(confusions: Mapping[str, Confusion]) -> dict[str, MetricValue]:
    return {f"{name}@{policy}": of(found) for policy, found in confusions.items() for name, of in OVERLAP.items()}


def _volumes(
    case: Case, confusions: Mapping[str, Confusion], healthy: Mapping[str, Confusion]
) -> dict[str, MetricValue]:
    """Volumes of lesions and of false positives, and the realised false-positive rate in slices without anomaly."""
    ml = case.voxel_mm3 / 1000
    false = {f"false_positive_ml@{p}": MetricValue(found.fp * ml) for p, found in confusions.items()}
    rates = {f"fpr_healthy@{p}": fpr(found) for p, found in healthy.items()}
    return {"lesion_ml": MetricValue(float(case.anomaly.sum()) * ml), **false, **rates}


def _shapes(case: Case, predicted: Mapping[str, Mask], lesions: Mapping[str, LesionCounts]) -> dict[str, MetricValue]:
    measures: dict[str, MetricValue] = {}
    for policy, mask in predicted.items():
        distances = surface_distances(mask, case.anomaly, spacing=case.spacing)
        measures |= {f"{name}@{policy}": metric.of(distances) for name, metric in SURFACES.items()}
        measures |= {f"{name}@{policy}": metric.of(lesions[policy]) for name, metric in LESIONS.items()}
    return measures


def _false_alarms(predicted: Mask, clean: Mask) -> Confusion:
    marked = predicted[clean]
    return confusion_of(marked, np.zeros(marked.shape, bool))
