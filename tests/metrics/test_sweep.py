"""A sweep shows true points of the curve, keeps its ends and its peak, and is not fooled by an outlier."""

import numpy as np
import pytest

from uad_bench.metrics import overlap
from uad_bench.metrics.overlap import confusion
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.sweep import sweep
from uad_bench.metrics.voxel import best_dice


def heavy_tailed(n_voxels=20_000):
    """Log-normal scores with one outlying voxel."""
    rng = np.random.default_rng(0)
    anomaly = rng.random(n_voxels) < 0.2
    scores = rng.lognormal(anomaly * 1.0, 1).astype(np.float32)
    scores[0] = 1e6
    return scores, anomaly


@pytest.mark.parametrize("points", [5, 100, 1_000])
def test_every_point_equals_the_metrics_at_its_threshold(points):
    scores, anomaly = heavy_tailed()
    curve = sweep(count_ranks_of(scores, anomaly), points=points)
    assert curve.thresholds.size <= points
    for k in range(0, curve.thresholds.size, 50):
        at = confusion(scores, anomaly, threshold=float(curve.thresholds[k]))
        found = (curve.precision[k], curve.sensitivity[k], curve.dice[k], curve.fpr[k])
        metrics = (overlap.precision, overlap.sensitivity, overlap.dice, overlap.fpr)
        assert found == pytest.approx([metric(at).value for metric in metrics])


def test_both_ends_and_the_best_dice_are_among_the_points():
    counts = count_ranks_of(*heavy_tailed())
    curve = sweep(counts, points=20)
    assert (curve.thresholds[0], curve.thresholds[-1]) == (counts.scores[0], counts.scores[-1])
    assert curve.sensitivity[-1] == 1
    assert curve.dice.max() == best_dice(counts).dice.value


def test_few_scores_give_all_of_them():
    curve = sweep(count_ranks_of(np.array([1, 2, 3, 2], np.float32), np.array([1, 1, 0, 0], bool)))
    assert curve.thresholds.tolist() == [2, 1]
    assert curve.precision.tolist() == [1 / 3, 0.5]


def test_one_class_leaves_a_gap_and_no_error():
    scores = np.array([1, 2], np.float32)
    assert np.isnan(sweep(count_ranks_of(scores, np.ones(2, bool))).fpr).all()
    assert sweep(count_ranks_of(scores, np.zeros(2, bool))).thresholds.size == 0
