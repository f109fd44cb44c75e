"""Thresholds are observed scores, ties are never split, and nothing undefined becomes a number."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.scored import SHAPE, lesion_of, noisy, reference_of
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.numbers import _chosen
from uad_bench.evaluation.postprocessing import MinComponent
from uad_bench.evaluation.protocol import Protocol
from uad_bench.evaluation.threshold_search import ThresholdObjective, Yen
from uad_bench.evaluation.thresholds import (
    Threshold,
    best_dice_threshold,
    choose_thresholds,
    conformal_thresholds,
    healthy_fpr_threshold,
    patient_alarms,
)
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.runs.record import ChosenOn


def test_five_of_a_hundred_distinct_scores_are_let_through():
    threshold = healthy_fpr_threshold(np.arange(100, dtype=np.float32), "hFPR5")
    assert (threshold.value, threshold.realised) == (95.0, 0.05)


def test_a_tie_that_would_be_too_common_is_left_out_whole():
    scores = np.array([0.0] * 90 + [1.0] * 8 + [2.0] * 2, np.float32)
    threshold = healthy_fpr_threshold(scores, "hFPR5")
    assert (threshold.value, threshold.realised) == (2.0, 0.02)


def test_a_constant_map_lets_nothing_through():
    threshold = healthy_fpr_threshold(np.ones(50, np.float32), "hFPR1")
    assert threshold.value == np.nextafter(np.float32(1), np.float32(2))
    assert threshold.realised == 0


@pytest.mark.parametrize("size", [1, 19, 20, 21, 60, 99, 100, 101, 1999])
@pytest.mark.parametrize(("policy", "rate"), [("hFPR1", 0.01), ("hFPR5", 0.05)])
def test_the_threshold_is_the_smallest_observed_score_that_is_allowed(size: int, policy: str, rate: float):
    scores = np.random.default_rng(size).integers(0, 40, size).astype(np.float32)
    allowed = [s for s in np.unique(scores) if np.mean(scores >= s) <= rate]
    value = healthy_fpr_threshold(scores, policy).value
    assert value == (allowed[0] if allowed else np.nextafter(scores.max(), np.float32(np.inf)))


def test_without_a_healthy_slice_or_a_lesion_there_is_no_threshold_but_a_reason():
    nothing = healthy_fpr_threshold(np.empty(0, np.float32), "hFPR5")
    assert math.isnan(nothing.value)
    assert nothing.undefined == "no_healthy_slice"
    healthy = count_ranks_of(np.ones(3, np.float32), np.zeros(3, bool))
    assert best_dice_threshold(healthy, "valDice").undefined == "no_positive"
    assert best_dice_threshold(None, "valDice").undefined == "no_positive"


def test_the_best_dice_threshold_is_the_highest_score_that_reaches_it():
    scores = np.array([3, 2, 1, 0], np.float32)
    threshold = best_dice_threshold(count_ranks_of(scores, np.array([True, False, True, False])), "oracle")
    assert (threshold.value, threshold.realised) == (1.0, pytest.approx(0.8))


def cases_of(anomalies, score, **options):
    references = {f"P{i}": reference_of(i, anomaly=anomaly) for i, anomaly in enumerate(anomalies)}
    return Cases(references=references, read=lambda name: score(int(name[1:])), protocol=Protocol(), **options)


def block(i: int) -> np.ndarray:
    """A component of 36 pixels in slice 0 and one of 80 mm³ in slices 0 to 4, of scores that grow with the patient."""
    scores = np.zeros(SHAPE, np.float32)
    scores[2:6, 2:6, :5] = i + 1
    scores[2:8, 2:8, 0] += i + 1
    return scores


def test_healthy_patients_choose_alone_where_there_are_some():
    cases = cases_of([lesion_of(0), *[np.zeros(SHAPE, bool)] * 4], block)
    assert patient_alarms(cases, sorted(cases.references)).tolist() == [2, 3, 4, 5]
    for drop, alarms in ((99, [2, 3, 4, 5]), (100, [0, 0, 0, 0])):  # the component has 100 voxels
        filtered = replace(cases, protocol=Protocol(chain=(MinComponent(voxels=drop),)))
        assert patient_alarms(filtered, sorted(cases.references)).tolist() == alarms


def test_without_healthy_patients_the_worst_lesion_free_slice_of_each_counts():
    cases = cases_of([lesion_of(0)] * 3, block)
    assert patient_alarms(cases, sorted(cases.references)).tolist() == [1, 2, 3]
    margin = cases_of([lesion_of(0)] * 3, block, healthy_slices=lambda _: [5])
    assert patient_alarms(margin, sorted(cases.references)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("slices", ["all", "anomalous"])
def test_conformal_thresholds_come_from_all_slices_whatever_slices_the_protocol_evaluates(slices: str):
    cases = cases_of([lesion_of(0)] * 4, block)
    cases = replace(cases, protocol=Protocol(slices=slices, thresholds=("conformal20",)))
    found = choose_thresholds(cases, sorted(cases.references), count_ranks_of(np.ones(1, np.float32), np.ones(1, bool)))
    assert found["conformal20"].value == np.nextafter(np.float32(4), np.float32(5))


def test_the_best_dice_is_that_of_validation_patients_with_lesions_whatever_healthy_ones_score():
    def score(i: int) -> np.ndarray:
        return np.full(SHAPE, 3, np.float32) if i else 2 * lesion_of(0).astype(np.float32)

    cases = cases_of([lesion_of(0), np.zeros(SHAPE, bool)], score)
    found = choose_thresholds(cases, ("P0", "P1"), count_ranks_of(np.ones(2, np.float32), np.array([True, False])))
    assert (found["valDice"].value, found["valDice"].realised) == (2, 1)
    assert found["hFPR5"].value > 3  # they do count among healthy voxels


@pytest.mark.parametrize(
    ("threshold", "stored"),
    [
        (Threshold("hFPR5", 1.0, realised=0.04), ChosenOn(realised=0.04)),
        (Threshold("hFPR5-origin", 1.0), ChosenOn(realised=None)),
        (Threshold("hFPR5", math.nan, undefined="no_validation"), ChosenOn(undefined="no_validation")),
    ],
)
def test_a_record_says_what_a_threshold_realised_where_it_was_chosen_or_why_there_is_none(threshold, stored):
    assert _chosen(threshold) == stored


def test_yen_splits_where_its_criterion_is_highest():
    scores = np.concatenate([np.full(60, 0.5), np.full(25, 1.5), np.full(10, 5.5), np.full(5, 7.5)])
    counts, edges = np.histogram(scores, 8)
    p = counts / 100

    def criterion(k: int) -> float:
        below, above = p[: k + 1], p[k + 1 :]
        product = np.sum(below**2) * np.sum(above**2)
        return -np.log(product) + 2 * np.log(below.sum() * above.sum())

    best = max(range(7), key=criterion)
    found = Yen(bins=8).find(ThresholdObjective(lambda t: t, scores.astype(np.float32)))
    assert found == pytest.approx((edges[best] + edges[best + 1]) / 2)


def test_a_conformal_threshold_lies_above_the_scores_it_was_chosen_on_as_far_as_it_promises():
    twenty, ten, five = conformal_thresholds(np.arange(9.0))
    assert (ten.value > 8, ten.realised, five.undefined) == (True, 0, "too_few_patients")
    above = np.nextafter(np.float32(7), np.float32(8))
    assert (twenty.value, twenty.realised) == (above, 1 / 9)
    assert conformal_thresholds(np.array([*range(8), above]))[0].realised == 1 / 9  # a score at the threshold alarms


def test_a_threshold_that_came_with_the_weights_stands_beside_those_of_the_cohort():
    cases = cases_of([lesion_of(0)], noisy, carried={"hFPR5-origin": 1.25})
    found = choose_thresholds(cases, (), count_ranks_of(np.arange(2, dtype=np.float32), np.array([False, True])))
    assert (found["hFPR5-origin"].value, found["hFPR5"].undefined) == (1.25, "no_validation")
