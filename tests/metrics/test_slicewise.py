"""A slice's score is a mean over its brain, and detection runs through the same core as voxels."""

import numpy as np

from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.slicewise import slice_scores, top1pct_brain
from uad_bench.metrics.voxel import auroc, average_precision


def test_slices_without_brain_are_left_out_and_background_does_not_count():
    scores = np.full((10, 10, 4), 99, np.float32)
    domain, anomaly = np.zeros((2, 10, 10, 4), bool)
    domain[2:7, :, 1] = domain[:, :2, 3] = True
    scores[2:7, :, 1], scores[:, :2, 3] = 1, 2
    scores[3, 3, 1] = 51
    anomaly[3, 3, 1] = True
    found = slice_scores(scores, anomaly, domain=domain)
    assert found.z.tolist() == [1, 3]
    assert found.scores["mean_brain"].tolist() == [2, 2]
    assert found.scores["top1pct_brain"].tolist() == [51, 2]
    assert found.anomalous.tolist() == [True, False]


def test_top_percent_rounds_up_to_a_whole_voxel():
    assert top1pct_brain(np.arange(201, dtype=np.float32)) == 199  # mean of 198, 199, 200
    assert top1pct_brain(np.array([7], np.float32)) == 7


def test_detection_of_slices_by_hand():
    scores = np.zeros((1, 1, 4), np.float32) + np.array([1, 3, 2, 4], np.float32)
    anomaly = np.array([[[False, False, True, True]]])
    patient = slice_scores(scores, anomaly, domain=np.ones((1, 1, 4), bool))
    counts = count_ranks(lambda: [patient.voxels("mean_brain")])
    assert auroc(counts).value == 0.75
    assert average_precision(counts).value == 0.5 * 1 + 0.5 * 2 / 3
