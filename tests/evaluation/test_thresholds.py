"""Thresholds are observed scores, ties are never split, and nothing undefined becomes a number."""

import math

import numpy as np
import pytest

from uad_bench.evaluation.thresholds import best_dice_threshold, healthy_fpr_threshold
from uad_bench.metrics.ranks import count_ranks_of


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
