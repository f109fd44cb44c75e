"""One byte a voxel, and still exactly the voxels that the harness marks."""

import numpy as np
import pytest

from uad_bench.metrics.overlap import confusion, dice
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.sweep import sweep
from uad_bench.output.report.levels import count_levels, make_levels
from uad_bench.runs.tables import Curve

RNG = np.random.default_rng(0)
ANOMALY = RNG.random(20_000) < 0.1
SCORES = (RNG.normal(size=20_000) + 1.5 * ANOMALY).astype(np.float32)
POLICIES = {"hFPR5": float(np.quantile(SCORES[~ANOMALY], 0.95)), "oracle": 1.2345}


@pytest.fixture(scope="module")
def levels():
    found = sweep(count_ranks_of(SCORES, ANOMALY, name="P"))
    curve = Curve(
        *(np.asarray(a, float) for a in (found.thresholds, found.precision, found.sensitivity, found.dice, found.fpr))
    )
    return make_levels(curve, POLICIES)


def test_a_level_marks_exactly_what_its_threshold_marks(levels):
    quantised = levels.quantise(SCORES)
    for k, threshold in enumerate(levels.thresholds, 1):
        assert np.array_equal(quantised >= k, threshold <= SCORES)


def test_every_policy_has_the_level_of_its_own_threshold(levels):
    quantised = levels.quantise(SCORES)
    for policy, threshold in POLICIES.items():
        assert np.array_equal(quantised >= levels.policies[policy], threshold <= SCORES)


def test_dice_from_counts_is_the_dice_of_the_mask(levels):
    counts = count_levels(levels.quantise(SCORES), ANOMALY).astype(int)
    for k in (1, 60, levels.policies["hFPR5"], len(levels.thresholds)):
        marked, hits = counts[:, k:].sum(axis=1)
        expected = dice(confusion(SCORES, ANOMALY, threshold=float(levels.thresholds[k - 1]))).value
        assert 2 * hits / (ANOMALY.sum() + marked) == pytest.approx(expected)


def test_pooled_dice_beside_the_slider_is_the_sweeps(levels):
    exact = [dice(confusion(SCORES, ANOMALY, threshold=float(t))).value for t in levels.thresholds]
    assert np.abs(levels.dice - exact).max() < 5e-3


def test_levels_fit_one_byte(levels):
    assert len(levels.thresholds) <= 255
    assert levels.quantise(np.array([np.inf], np.float32))[0] == len(levels.thresholds)
