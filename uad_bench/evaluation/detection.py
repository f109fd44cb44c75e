"""Detection of lesions at a fixed number of false positives, and false alarms on lesion-free slices and patients.

Every replicate chooses its own threshold, as the estimate does on all test patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.metrics.alarms import PATIENT_ALARM_RATE, SLICE_ALARM_RATE
from uad_bench.metrics.froc import FALSE_POSITIVES, FROC_SCORE, LESION_SENSITIVITY, STRATA_ML, up_to
from uad_bench.metrics.overlap import smallest_float32
from uad_bench.metrics.uncertainty import Resamples
from uad_bench.metrics.value import MetricValue, undefined
from uad_bench.runs.metric_rows import Estimate, Labels

Values = NDArray[np.float64]
SENSITIVITY = LESION_SENSITIVITY.name
ALARM, ALARM_RATE = "alarm10", 0.1
"""Policy: the lowest threshold with alarms on at most 10 % of the lesion-free test slices."""
ANY = (0.0, np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCurves:
    """Rates of a set of n patients at M descending thresholds, for R rows of weights of patients.

    Attributes:
        weights: (R, n).
        false: (R, M) false-positive components per volume.
        alarms: (R, M) fraction of lesion-free slices with an alarm; NaN without such slices.
        dice: (R, M); NaN without anomaly.
    """

    subjects: Sequence[SubjectResult]
    weights: Values
    false: Values
    alarms: Values
    dice: Values

    @classmethod
    def of(cls, subjects: Sequence[SubjectResult], weights: Values) -> DetectionCurves:
        """The curves at the thresholds of the subjects' lesion curves."""
        curves = [subject.curve for subject in subjects]
        slices = weights @ np.array([s.slice_alarms.size for s in subjects], np.float64)
        alarms = weights @ np.array([(s.slice_alarms[:, None] >= s.curve.thresholds).sum(axis=0) for s in subjects])
        false, tp, marked = (
            weights @ np.array([getattr(c, name) for c in curves]) for name in ("false", "tp", "marked")
        )
        ill = weights @ np.array([c.n_anomalous for c in curves], np.float64)
        volumes = weights.sum(axis=1)
        dice = np.where(ill[:, None] > 0, 2 * tp / np.maximum(marked + ill[:, None], 1), np.nan)
        return cls(subjects, weights, _share(false, volumes), _share(alarms, slices), dice)

    def sensitivity(self, stratum: tuple[float, float] = ANY) -> Values:
        """Fraction (R, M) of the lesions in a range of volumes, mL, that are detected; NaN without such lesions."""
        curves = [subject.curve for subject in self.subjects]
        lesions = self.weights @ np.array([np.count_nonzero(c.within(stratum)) for c in curves], np.float64)
        return _share(self.weights @ np.array([c.detected(stratum) for c in curves]), lesions)

    def at_false_positives(self, policy: str, stratum: tuple[float, float] = ANY) -> Values:
        """Lesion sensitivity (R,) at a number of false positives per volume."""
        return up_to(self.false, self.sensitivity(stratum), FALSE_POSITIVES[policy])


def operating_points(subjects: Sequence[SubjectResult], resamples: Resamples, labels: Labels) -> Iterator[Estimate]:
    """Lesion sensitivity at numbers of false positives, and at 10 % slice alarms with its Dice; FROC score.

    Undefined: `no_lesion`, `no_healthy_slice`.
    """
    curves, n_lesions = _curves(subjects, resamples), sum(s.curve.volumes_mm3.size for s in subjects)
    whole, labels = labels, replace(labels, n_lesions=n_lesions)
    found = {policy: curves.at_false_positives(policy) for policy in FALSE_POSITIVES}
    for policy, values in found.items():
        yield _row(labels, SENSITIVITY, values, "no_lesion", policy=policy)
    yield _row(labels, FROC_SCORE.name, np.mean(list(found.values()), axis=0), "no_lesion")
    reason = "no_healthy_slice" if np.isnan(curves.alarms[0]).any() else "no_lesion"
    at_alarms = up_to(curves.alarms, curves.sensitivity(), ALARM_RATE)
    yield _row(labels, SENSITIVITY, at_alarms, reason, policy=ALARM)
    yield _row(whole, "dice", up_to(curves.alarms, curves.dice, ALARM_RATE), reason, policy=ALARM)


def one_false_positive(subjects: Sequence[SubjectResult]) -> float:
    """The threshold of the estimate at one false positive per volume; infinite if nothing may be marked."""
    curves = DetectionCurves.of(subjects, np.ones((1, len(subjects))))
    levels = subjects[0].curve.thresholds
    return float(up_to(curves.false, levels[None].astype(np.float64), FALSE_POSITIVES["1FP"])[0])


def by_volume(subjects: Sequence[SubjectResult], resamples: Resamples, labels: Labels) -> Iterator[Estimate]:
    """Lesion sensitivity at one false positive per volume, for lesions in each range of volumes."""
    curves = _curves(subjects, resamples)
    for name, stratum in STRATA_ML.items():
        counts = [int(subject.curve.within(stratum).sum()) for subject in subjects]
        group = f"lesion_ml={name}"
        part = replace(labels, group=group, n_subjects=sum(map(bool, counts)), n_lesions=sum(counts))
        values = curves.at_false_positives("1FP", stratum)
        yield _row(part, SENSITIVITY, values, "no_lesion", policy="1FP")


def alarm_rates(
    subjects: Sequence[SubjectResult], thresholds: Mapping[str, Threshold], resamples: Resamples, labels: Labels
) -> Iterator[Estimate]:
    """Slice alarm rate at each policy and, if there are healthy test patients, patient alarm rate.

    Undefined: `no_healthy_slice`.
    """
    weights = _weights(resamples)
    slices = weights @ np.array([s.slice_alarms.size for s in subjects], np.float64)
    healthy = np.array([s.patient_alarm is not None for s in subjects])
    scores = np.array([-np.inf if s.patient_alarm is None else s.patient_alarm for s in subjects])
    for policy, threshold in thresholds.items():
        if threshold.undefined:
            continue
        lowest = smallest_float32(threshold.value)
        alarms = weights @ np.array([np.count_nonzero(s.slice_alarms >= lowest) for s in subjects], np.float64)
        yield _row(labels, SLICE_ALARM_RATE.name, _share(alarms, slices), "no_healthy_slice", policy=policy)
        if healthy.any():
            part = replace(labels, n_subjects=int(healthy.sum()))
            rate = _share(weights @ (scores >= lowest), weights @ healthy)
            yield _row(part, PATIENT_ALARM_RATE.name, rate, "no_healthy_patient", policy=policy)


def _curves(subjects: Sequence[SubjectResult], resamples: Resamples) -> DetectionCurves:
    """Curves of all patients once, followed by those of each replicate."""
    return DetectionCurves.of(subjects, _weights(resamples))


def _weights(resamples: Resamples) -> Values:
    """Weights (1 + R, n): every patient once, then the rows of the resamples."""
    return np.concatenate([np.ones((1, resamples.n_patients)), resamples.weights])


def _share(part: Values, whole: Values) -> Values:
    """`part / whole` for (R,) or (R, M) and (R,); NaN where the whole is zero."""
    whole = whole.reshape(len(whole), *[1] * (part.ndim - 1))
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _row(labels: Labels, name: str, values: Values, reason: str, *, policy: str | None = None) -> Estimate:
    """A row from its value followed by its replicates (1 + R,)."""
    measure = undefined(reason) if np.isnan(values[0]) else MetricValue(float(values[0]))
    return labels.row(name, measure, values[1:], policy=policy)
