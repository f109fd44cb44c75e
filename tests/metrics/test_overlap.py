"""Overlap at a threshold: known counts, the edge cases' reasons, and thresholds between float32 numbers."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from uad_bench.metrics import overlap
from uad_bench.metrics.overlap import Confusion, confusion


def test_five_voxels_by_hand():
    counts = confusion(np.array([1, 2, 3, 4, 5], np.float32), np.array([0, 1, 0, 1, 1], bool), threshold=3)
    assert counts == Confusion(tp=2, fp=1, fn=1, tn=1)
    assert overlap.dice(counts).value == pytest.approx(2 / 3)
    assert overlap.jaccard(counts).value == 0.5
    assert overlap.precision(counts).value == pytest.approx(2 / 3)
    assert overlap.sensitivity(counts).value == pytest.approx(2 / 3)
    assert overlap.fpr(counts).value == overlap.specificity(counts).value == 0.5


def test_every_metric_at_a_threshold_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    anomaly, marked = rng.random(1_000) < 0.1, rng.random(1_000) < 0.2
    counts = overlap.confusion_of(marked, anomaly)
    expected = {
        "dice": f1_score(anomaly, marked),
        "jaccard": jaccard_score(anomaly, marked),
        "precision": precision_score(anomaly, marked),
        "sensitivity": recall_score(anomaly, marked),
        "fpr": 1 - recall_score(~anomaly, ~marked),
        "specificity": recall_score(~anomaly, ~marked),
    }
    assert {name: metric(counts).value for name, metric in overlap.OVERLAP.items()} == pytest.approx(expected)


def test_an_empty_reference_leaves_its_ratios_undefined():
    counts = Confusion(tp=0, fp=3, fn=0, tn=5)
    assert {metric(counts).undefined for metric in (overlap.dice, overlap.jaccard, overlap.sensitivity)} == {
        "empty_ref"
    }
    assert overlap.precision(counts).value == 0


def test_an_empty_prediction_overlaps_by_zero():
    counts = Confusion(tp=0, fp=0, fn=3, tn=5)
    assert overlap.dice(counts).value == overlap.jaccard(counts).value == overlap.sensitivity(counts).value == 0
    assert overlap.precision(counts).undefined == "empty_pred"


def test_rates_of_healthy_voxels_need_healthy_voxels():
    counts = Confusion(tp=1, fp=0, fn=3, tn=0)
    assert overlap.fpr(counts).undefined == overlap.specificity(counts).undefined == "no_negative"


def test_marking_everything_has_the_dice_of_the_prevalence():
    anomaly = np.arange(100) < 7
    counts = confusion(np.ones(100, np.float32), anomaly, threshold=-1)
    assert overlap.dice(counts).value == pytest.approx(2 * 0.07 / 1.07)


def test_patients_add_up():
    assert Confusion(1, 2, 3, 4) + Confusion(10, 20, 30, 40) == Confusion(11, 22, 33, 44)


def test_a_score_below_a_threshold_between_two_float32_numbers_is_not_marked():
    score = np.nextafter(np.float32(0.1), np.float32(0))  # float32(0.1) is above 0.1, this one below
    threshold = float(score) + 1e-12  # nearest float32 is the score itself
    assert confusion(np.array([score]), np.array([True]), threshold=threshold).tp == 0
    assert confusion(np.array([score]), np.array([True]), threshold=float(score)).tp == 1


@pytest.mark.parametrize("threshold", [1e300, float("inf"), float("nan")])
def test_a_threshold_beyond_every_score_marks_nothing(threshold):
    assert confusion(np.array([3e38], np.float32), np.array([True]), threshold=threshold).fn == 1
