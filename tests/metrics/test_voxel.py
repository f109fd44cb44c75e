"""Threshold-free metrics agree with scikit-learn, with brute force over every threshold, and with closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, roc_auc_score

from uad_bench.metrics import overlap, voxel
from uad_bench.metrics.ranks import count_ranks, count_ranks_of

EXACT = 1e-12  # rounding of float64 sums; the counts themselves are integers

finite = hnp.from_dtype(np.dtype(np.float32), allow_nan=False, allow_infinity=False, allow_subnormal=True)
few_values = st.sampled_from([np.float32(v) for v in (-1e38, -2, -0.0, 0.0, 1e-45, 0.5, 1, 3e38)])


@st.composite
def maps(draw, elements=finite | few_values):
    """A score map with at least one voxel of either class."""
    scores = draw(hnp.arrays(np.float32, st.integers(2, 60), elements=elements))
    anomaly = draw(hnp.arrays(bool, scores.size))
    anomaly[:2] = [True, False]
    return scores, anomaly


def values(counts):
    best = voxel.best_dice(counts)
    return voxel.average_precision(counts).value, voxel.auroc(counts).value, best.dice.value


@given(maps())
@settings(max_examples=150, deadline=None)
def test_ap_and_auroc_agree_with_scikit_learn(score_map):
    scores, anomaly = score_map
    ap, auroc, _ = values(count_ranks_of(scores, anomaly))
    assert ap == pytest.approx(average_precision_score(anomaly, scores.astype(float)), abs=EXACT)
    assert auroc == pytest.approx(roc_auc_score(anomaly, scores.astype(float)), abs=EXACT)


@given(maps())
@settings(max_examples=100, deadline=None)
def test_no_threshold_beats_the_best_dice(score_map):
    scores, anomaly = score_map
    best = voxel.best_dice(count_ranks_of(scores, anomaly))
    every = {float(t): overlap.dice(overlap.confusion(scores, anomaly, threshold=float(t))).value for t in scores}
    assert best.dice.value == max(every.values())
    assert best.threshold == max(t for t, dice in every.items() if dice == best.dice.value)
    assert best.confusion == overlap.confusion(scores, anomaly, threshold=best.threshold)


@given(maps(), st.floats(0.01, 1))
@settings(max_examples=100, deadline=None)
def test_fpr_at_tpr_is_the_lowest_of_any_threshold(score_map, tpr):
    scores, anomaly = score_map
    points = [overlap.confusion(scores, anomaly, threshold=float(t)) for t in scores]
    lowest = min(overlap.fpr(c).value for c in points if overlap.sensitivity(c).value >= tpr)
    assert voxel.fpr_at_tpr(count_ranks_of(scores, anomaly), tpr=tpr).value == lowest


@given(maps(elements=st.integers(-100, 100).map(np.float32)), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_increasing_maps_voxel_order_and_splitting_change_nothing(score_map, random):
    scores, anomaly = score_map
    expected = values(count_ranks_of(scores, anomaly))
    order = np.array(random.sample(range(scores.size), scores.size))
    cut = random.randint(0, scores.size)
    assert values(count_ranks_of(scores[order], anomaly[order])) == expected
    assert values(count_ranks(lambda: [(scores[:cut], anomaly[:cut]), (scores[cut:], anomaly[cut:])])) == expected
    for increasing in (np.cbrt, lambda s: s * np.float32(1e30), lambda s: np.exp(s / 8), lambda s: s / 7 - 1000):
        assert values(count_ranks_of(increasing(scores).astype(np.float32), anomaly)) == expected


@pytest.mark.parametrize("spread", [1, 1e-40, 1e30])
@pytest.mark.parametrize("levels", [3, 1_000, 10_000_000])
def test_a_big_random_map_agrees_with_scikit_learn(spread, levels):
    rng = np.random.default_rng(levels)
    anomaly = rng.random(30_000) < 0.03
    scores = (rng.integers(-levels, levels, anomaly.size) * spread + anomaly * 0.5 * levels * spread).astype(np.float32)
    ap, auroc, _ = values(count_ranks_of(scores, anomaly))
    assert ap == pytest.approx(average_precision_score(anomaly, scores.astype(float)), abs=EXACT)
    assert auroc == pytest.approx(roc_auc_score(anomaly, scores.astype(float)), abs=EXACT)


@pytest.mark.parametrize(("tpr", "expected"), [(0.25, 0.0), (0.5, 0.25), (0.75, 0.25), (0.76, 0.5), (1.0, 0.5)])
def test_a_sensitivity_equal_to_the_target_reaches_it(tpr, expected):
    scores, anomaly = np.arange(8, 0, -1, dtype=np.float32), np.array([1, 0, 1, 1, 0, 1, 0, 0], bool)
    assert voxel.fpr_at_tpr(count_ranks_of(scores, anomaly), tpr=tpr).value == expected


def test_four_voxels_by_hand():
    counts = count_ranks_of(np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([False, False, True, True]))
    assert values(counts) == pytest.approx((5 / 6, 0.75, 0.8))
    assert voxel.best_dice(counts).threshold == np.float32(0.35)
    assert voxel.average_precision_gain(counts).value == pytest.approx(2 / 3)
    assert voxel.fpr_at_tpr(counts).value == 0.5


@pytest.mark.parametrize("level", [0.0, -7.5, 3e38])
def test_a_constant_map_scores_its_prevalence(level):
    anomaly = np.arange(200) < 9
    counts = count_ranks_of(np.full(200, level, np.float32), anomaly)
    prevalence = 9 / 200
    assert values(counts) == pytest.approx((prevalence, 0.5, 2 * prevalence / (1 + prevalence)))
    assert voxel.average_precision_gain(counts).value == pytest.approx(0, abs=EXACT)
    assert voxel.fpr_at_tpr(counts).value == 1


def test_a_perfect_map_scores_one():
    anomaly = np.arange(50) % 5 == 0
    counts = count_ranks_of(anomaly.astype(np.float32), anomaly)
    assert values(counts) == (1, 1, 1)
    assert voxel.fpr_at_tpr(counts).value == 0
    assert voxel.average_precision_gain(counts).value == 1


def test_without_positives_only_prevalence_exists():
    counts = count_ranks_of(np.arange(4, dtype=np.float32), np.zeros(4, bool))
    best = voxel.best_dice(counts)
    assert voxel.average_precision(counts).undefined == "no_positive"
    assert voxel.average_precision_gain(counts).undefined == "no_positive"
    assert voxel.auroc(counts).undefined == voxel.fpr_at_tpr(counts).undefined == "single_class"
    assert (best.dice.undefined, np.isnan(best.threshold)) == ("empty_ref", True)
    assert voxel.prevalence(counts).value == 0


def test_without_negatives_ap_is_one_and_its_gain_does_not_exist():
    counts = count_ranks_of(np.arange(4, dtype=np.float32), np.ones(4, bool))
    assert voxel.average_precision(counts).value == 1
    assert voxel.average_precision_gain(counts).undefined == "no_negative"
    assert voxel.auroc(counts).undefined == voxel.fpr_at_tpr(counts).undefined == "single_class"
