"""Threshold policies: how the threshold between healthy and anomalous is chosen, and on which patients.

A policy's name is part of the name of every metric computed with it (`dice@hFPR5`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.cases import Cases
from uad_bench.metrics.alarms import conformal_threshold
from uad_bench.metrics.ranks import RankCounts, count_ranks
from uad_bench.metrics.voxel import best_dice

HEALTHY_RATES: dict[str, float] = {"hFPR1": 0.01, "hFPR5": 0.05}
ORIGIN = "hFPR5-origin"
"""The threshold hFPR5 of the run that trained the weights, applied to another cohort."""
NOMINAL_RATES = {**HEALTHY_RATES, ORIGIN: HEALTHY_RATES["hFPR5"]}
CONFORMAL = {"conformal20": 20, "conformal10": 10, "conformal5": 5}
"""Largest percentage of patients with an alarm, by policy."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A prediction is `score >= value`.

    Attributes:
        policy: how it was chosen.
        value: exact float32 score; NaN if and only if `undefined` gives a reason.
        realised: result on the patients it was chosen on: healthy FPR for `hFPR*`, share of patients with an alarm for
            `conformal*`, Dice for the others.
    """

    policy: str
    value: float
    realised: float = float("nan")
    undefined: str | None = None


def choose_thresholds(cases: Cases, val: Sequence[str], counts: RankCounts) -> dict[str, Threshold]:
    """One threshold for each policy of the protocol; only `oracle` uses test patients.

    Args:
        val: names of validation patients; if empty, only the oracle is defined.
        counts: exact counts of the test voxels.
    """
    chosen = dict(_on_validation(cases, val))
    chosen["oracle"] = best_dice_threshold(counts, "oracle")
    carried = {policy: Threshold(policy, value) for policy, value in cases.carried.items()}
    return {policy: chosen[policy] for policy in cases.protocol.thresholds} | carried


def _on_validation(cases: Cases, val: Sequence[str]) -> list[tuple[str, Threshold]]:
    policies = [*HEALTHY_RATES, *CONFORMAL, "valDice"]
    if not val:
        return [(policy, Threshold(policy, float("nan"), undefined="no_validation")) for policy in policies]
    healthy = np.concatenate([cases.healthy(subject) for subject in val])
    ill = [subject for subject in cases.present(val) if cases.references[subject].anomaly.any()]
    counts = count_ranks(partial(cases.voxels, ill), names=ill) if ill else None
    chosen = [healthy_fpr_threshold(healthy, policy) for policy in HEALTHY_RATES]
    if not CONFORMAL.keys().isdisjoint(cases.protocol.thresholds):
        chosen += conformal_thresholds(patient_alarms(cases.in_all_slices, val))
    return [(t.policy, t) for t in (*chosen, best_dice_threshold(counts, "valDice"))]


def patient_alarms(cases: Cases, val: Sequence[str]) -> NDArray[np.float64]:
    """Alarm scores (n,) of the healthy patients or, without any, of the patients' lesion-free slices.

    The score of a patient with lesions is the highest of any lesion-free slice; without such a slice there is none.
    """
    healthy = [name for name in val if not cases.references[name].anomaly.any()]
    if healthy:
        least = cases.protocol.steps.least_voxels
        return np.array([case.patient_alarm(least) for case in cases(healthy)])
    of_slices = map(cases.alarms, cases(cases.present(val)))
    return np.array([scores.max() for scores in of_slices if scores.size])


def conformal_thresholds(scores: NDArray[np.float64]) -> list[Threshold]:
    """Thresholds at which at most 20, 10 and 5 % of further patients raise an alarm, if patients are exchangeable.

    Undefined: `too_few_patients`, which are 3, 8 and 18.

    Args:
        scores: (n,) alarm scores of `patient_alarms`.
    """
    found = {policy: conformal_threshold(scores, percent) for policy, percent in CONFORMAL.items()}
    return [
        Threshold(policy, float("nan"), undefined="too_few_patients")
        if value is None
        else Threshold(policy, value, realised=float(np.mean(scores >= value)))
        for policy, value in found.items()
    ]


def healthy_fpr_threshold(healthy: NDArray[np.float32], policy: str) -> Threshold:
    """Smallest observed score with at most the policy's false-positive rate on healthy voxels.

    Tied scores are never split. If even the highest score occurs too often, the threshold is the next float32 above.

    Args:
        healthy: (V,) scores of brain voxels in slices without anomaly, validation patients.
        policy: a key of `HEALTHY_RATES`.
    """
    if not healthy.size:
        return Threshold(policy, float("nan"), undefined="no_healthy_slice")
    ordered = np.sort(healthy)
    allowed = int(HEALTHY_RATES[policy] * ordered.size)
    first = ordered.size - allowed
    if 0 < first < ordered.size and ordered[first - 1] == ordered[first]:
        first = int(np.searchsorted(ordered, ordered[first], side="right"))
    value = ordered[first] if first < ordered.size else np.nextafter(ordered[-1], np.float32(np.inf))
    return Threshold(policy, float(value), realised=float(np.mean(ordered >= value)))


def best_dice_threshold(counts: RankCounts | None, policy: str) -> Threshold:
    """The threshold with the best pooled Dice on patients with lesions; on test patients this is the oracle.

    Args:
        counts: exact counts of validation or test voxels; None without such patients.
        policy: `valDice` or `oracle`.
    """
    if counts is None or not counts.n_positive:
        return Threshold(policy, float("nan"), undefined="no_positive")
    point = best_dice(counts)
    return Threshold(policy, point.threshold, realised=point.dice.value)
