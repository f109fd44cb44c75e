"""Alarms of lesion-free slices and healthy patients, and the threshold that bounds them."""

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.metrics.alarms import NEVER, alarm_score, conformal_threshold


def test_the_alarm_score_is_the_highest_threshold_with_a_component_of_the_size():
    scores = np.asarray(ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(30, 30)), 1), np.float32)
    found = alarm_score(scores, np.ones(scores.shape, bool), smallest=9)
    for threshold, fires in ((found, True), (np.nextafter(np.float32(found), np.float32(1)), False)):
        labels, _ = ndimage.label(scores >= threshold, np.ones((3, 3)))
        assert (np.bincount(labels.ravel())[1:].max() >= 9) == fires


def test_corners_connect_and_pixels_outside_the_brain_do_not_count():
    scores = np.zeros((6, 6), np.float32)
    scores[[0, 1, 2], [0, 1, 2]] = 5
    brain = np.ones(scores.shape, bool)
    assert alarm_score(scores, brain, smallest=3) == 5
    brain[1, 1] = False
    assert alarm_score(scores, brain, smallest=3) == 0


def test_a_brain_smaller_than_the_component_never_raises_an_alarm():
    scores, brain = np.ones((5, 5), np.float32), np.zeros((5, 5), bool)
    assert alarm_score(scores, brain, smallest=2) == NEVER
    brain[0, 0] = brain[4, 4] = True
    assert alarm_score(scores, brain, smallest=2) == NEVER


def test_mirroring_and_increasing_maps_keep_the_alarm():
    scores = np.random.default_rng(1).normal(size=(12, 12, 4)).astype(np.float32)
    brain = np.ones(scores.shape, bool)
    plain = alarm_score(scores, brain, smallest=5)
    assert alarm_score(scores[::-1], brain, smallest=5) == plain
    assert alarm_score(np.exp(scores), brain, smallest=5) == np.exp(np.float32(plain))


@pytest.mark.parametrize(("percent", "least"), [(20, 4), (10, 9), (5, 19)])
def test_it_takes_one_over_the_rate_patients_less_one_and_is_then_above_all_of_them(percent, least):
    scores = np.arange(least, dtype=np.float64)
    assert conformal_threshold(scores[1:], percent) is None
    assert conformal_threshold(scores, percent) == np.nextafter(np.float32(least - 1), np.float32(least))


def test_of_exchangeable_patients_no_more_than_promised_raise_an_alarm_and_after_a_shift_more_do():
    rng = np.random.default_rng(0)
    for percent in (20, 10, 5):
        draws = rng.standard_exponential((1_000, 41))
        thresholds = np.array([conformal_threshold(row[:40], percent) for row in draws])
        assert np.mean(draws[:, 40] >= thresholds) == pytest.approx(percent / 100, abs=0.025)
        assert np.mean(draws[:, 40] + 0.7 >= thresholds) > 1.5 * percent / 100
