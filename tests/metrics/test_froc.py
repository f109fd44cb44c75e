"""Lesions found and false positives at many thresholds: drawn boxes, and a labeller called at each threshold."""

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.metrics.components import MarkedVoxels
from uad_bench.metrics.froc import STRATA_ML, LesionCurve, froc_thresholds, lesion_curve, up_to
from uad_bench.metrics.lesion import count_lesions
from uad_bench.metrics.ranks import RankCounts, count_ranks_of

SHAPE = (24, 22, 20)
ALL = np.ones(SHAPE, bool)


def smooth(seed, sigma=1.0):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    return np.asarray(ndimage.gaussian_filter(noise, sigma), np.float32)


def cube(x, y=0, z=0, side=4):
    return slice(x, x + side), slice(y, y + side), slice(z, z + side)


def drawn(**boxes):
    """A map of zeros with boxes of the given scores, and lesions at those that are named so."""
    scores, anomaly = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, bool)
    for name, (box, score) in boxes.items():
        scores[box] = score
        anomaly[box] |= name.startswith("lesion")
    return scores, anomaly


def curve_of(scores, anomaly, **changes):
    thresholds = froc_thresholds(count_ranks_of(scores.ravel(), anomaly.ravel()))
    return lesion_curve(scores, anomaly, ALL, thresholds, **{"voxel_mm3": 1.0, **changes})


@pytest.mark.parametrize("sigma", [0, 1])
def test_components_at_every_threshold_are_those_of_scipy(sigma):
    scores, domain = smooth(0, sigma), smooth(1, 2) > -0.1
    thresholds = np.quantile(scores, [1, 0.99, 0.95, 0.8, 0.5, 0.2]).astype(np.float32)
    marked = MarkedVoxels.of(scores, domain, thresholds)
    for threshold, n, components in zip(thresholds, marked.counts, marked.components(), strict=True):
        expected, count = ndimage.label(domain & (scores >= threshold), np.ones((3, 3, 3)))
        roots, labels = components.root(np.arange(n, dtype=np.int32)), expected.ravel()[marked.places[:n]]
        pairs = np.unique(np.stack([roots, labels]), axis=1)
        assert pairs.shape[1] == count == np.unique(pairs[0]).size
        assert (components.sizes[pairs[0]] == np.bincount(labels)[pairs[1]]).all()
        assert components.sizes.sum() == n


def test_counts_are_those_of_two_labelled_masks_at_every_threshold():
    scores, anomaly = smooth(2), smooth(3, 2) > 0.06
    scores[anomaly] += 0.1
    curve = curve_of(scores, anomaly, voxel_mm3=7.0)
    for threshold, detected, false in zip(curve.thresholds, curve.detected(), curve.false, strict=True):
        counts = count_lesions(scores >= threshold, anomaly, voxel_mm3=7.0)
        assert (detected, false) == (counts.detected, counts.components - counts.hits)


def test_a_found_a_missed_and_a_false_component():
    scores, anomaly = drawn(lesion=(cube(0), 3), false=(cube(8), 4), lesion_missed=(cube(16), -1))
    curve = curve_of(scores + 1e-3 * smooth(0), anomaly)
    assert curve.volumes_mm3.tolist() == [64, 64]
    assert (curve.detected()[-1], curve.false[-1]) == (1, 1)


def test_a_map_that_marks_everything_at_once_finds_nothing():
    _, anomaly = drawn(lesion=(cube(0), 1))
    curve = curve_of(np.ones(SHAPE, np.float32), anomaly)
    assert curve.detected().tolist() == curve.false.tolist() == [0]


def test_an_increasing_map_of_scores_or_a_mirrored_volume_changes_nothing():
    scores, anomaly = smooth(4), smooth(5, 2) > 0.06
    plain = curve_of(scores, anomaly)
    for other in (curve_of(np.exp(scores), anomaly), curve_of(scores[::-1], anomaly[::-1])):
        assert (other.detected() == plain.detected()).all()
        assert (other.false == plain.false).all()


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, 1),
        ({"least_voxels": 64}, 1),
        ({"least_voxels": 65}, 0),
        ({"voxel_mm3": 50 / 64}, 1),
        ({"voxel_mm3": 0.7}, 0),
    ],
)
def test_components_that_are_too_small_or_that_post_processing_drops_neither_detect_nor_count(changes, counted):
    scores, anomaly = drawn(lesion=(cube(0), 3), false=(cube(8), 4))
    curve = curve_of(scores, anomaly, **changes)
    assert (curve.detected()[-1], curve.false[-1]) == (counted, counted)


def test_dice_counts_voxels_of_lesions_of_any_size_and_sensitivity_only_large_lesions():
    scores, anomaly = drawn(lesion=(cube(0), 3), lesion_small=(cube(8, side=2), 3))
    curve = curve_of(scores, anomaly)
    assert (curve.tp.tolist(), curve.marked.tolist(), curve.n_anomalous) == ([0, 72], [0, 72], 72)
    assert curve.volumes_mm3.tolist() == [64]


def test_one_component_on_two_lesions_is_no_false_positive_and_one_beside_them_is():
    scores, anomaly = drawn(lesion=(cube(0), 3), lesion_b=(cube(8), 3), bridge=(np.s_[4:8, :4, :4], 3), c=(cube(16), 3))
    curve = curve_of(scores, anomaly)
    assert (curve.detected()[-1], curve.false[-1]) == (2, 1)


def test_thresholds_go_from_the_first_to_the_last_false_positive_rate_of_the_negatives():
    fp = np.array([0, 1, 2, 3, 20_000, 20_001])
    counts = RankCounts(np.array([9.0, 8, 7, 6, 5, 4]), np.arange(1, 7), fp, np.zeros(6, int), 6, 200_000)
    assert froc_thresholds(counts).tolist() == [np.inf, 7, 6, 5]  # 0.001 % are 2 voxels, 10 % are 20,000


def test_strata_divide_the_lesions_at_100_1000_and_10000_mm3_each_limit_in_the_larger():
    nothing = np.zeros(1, int)
    curve = LesionCurve(np.array([np.inf]), np.array([50, 99, 100, 999, 1_000, 9_999, 10_000]), *[nothing] * 4, 0)
    assert {name: curve.volumes_mm3[curve.within(limits)].tolist() for name, limits in STRATA_ML.items()} == {
        "under 0.1": [50, 99],
        "0.1-1": [100, 999],
        "1-10": [1_000, 9_999],
        "over 10": [10_000],
    }


def test_the_value_is_that_of_the_last_threshold_before_the_rate_is_first_exceeded():
    rates = np.array([[0, 0.5, 1.0, 1.5, 0.5], [0, 2, 3, 4, 5], [0, 0, 0, 0, 0], [np.nan] * 5])
    values = np.tile([0, 0.1, 0.2, 0.3, 0.4], (4, 1))
    assert up_to(rates, values, 1.0)[:3].tolist() == [0.2, 0, 0.4]
    assert np.isnan(up_to(rates, values, 1.0)[3])
