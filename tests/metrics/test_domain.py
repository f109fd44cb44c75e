"""The domain is brain or reference, in the scores' own order."""

import numpy as np

from uad_bench.metrics.domain import voxels_of


def test_margins_are_left_out_and_anomalies_outside_the_brain_stay():
    brain, anomaly = np.array([[0, 1, 1, 0]], bool), np.array([[0, 0, 1, 1]], bool)
    scores, kept = voxels_of(np.array([[9, 1, 2, 3]], np.float32), anomaly, brain)
    assert scores.tolist() == [1, 2, 3]
    assert kept.tolist() == [False, True, True]
