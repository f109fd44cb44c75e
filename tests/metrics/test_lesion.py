"""Lesions and components of drawn boxes: every count is known."""

import numpy as np
import pytest

from uad_bench.metrics.lesion import (
    LesionCounts,
    count_lesions,
    lesion_f1_any,
    lesion_f1_iou50,
)


def drawn(*boxes, shape=(40, 20, 20)):
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box] = True
    return mask


def cube(x, y=0, z=0, side=4):
    return slice(x, x + side), slice(y, y + side), slice(z, z + side)


def test_one_found_one_missed_one_false():
    anomaly, predicted = drawn(cube(0), cube(10)), drawn(cube(1), cube(30))
    counts = count_lesions(predicted, anomaly, voxel_mm3=1.0)
    assert counts == LesionCounts(lesions=2, detected=1, components=2, hits=1, matched=1)
    assert lesion_f1_any(counts).value == lesion_f1_iou50(counts).value == 0.5


def test_fragments_detect_a_lesion_once_and_match_none():
    anomaly = drawn((slice(0, 30), slice(0, 4), slice(0, 4)))
    predicted = drawn(cube(0), cube(10), cube(20))
    counts = count_lesions(predicted, anomaly, voxel_mm3=1.0)
    assert counts == LesionCounts(lesions=1, detected=1, components=3, hits=3, matched=0)
    assert (lesion_f1_any(counts).value, lesion_f1_iou50(counts).value) == (1, 0)


def test_one_blob_over_two_lesions_detects_both():
    anomaly, predicted = drawn(cube(0), cube(10)), drawn((slice(0, 14), slice(0, 4), slice(0, 4)))
    counts = count_lesions(predicted, anomaly, voxel_mm3=1.0)
    assert (counts.lesions, counts.detected, counts.components, counts.hits) == (2, 2, 1, 1)


def test_an_iou_of_exactly_one_half_is_no_match():
    anomaly, predicted = drawn((slice(0, 8), slice(0, 4), slice(0, 4))), drawn(cube(0))
    assert count_lesions(predicted, anomaly, voxel_mm3=1.0).matched == 0
    assert count_lesions(drawn((slice(0, 5), slice(0, 4), slice(0, 4))), anomaly, voxel_mm3=1.0).matched == 1


def test_corners_connect_in_a_volume_and_in_a_slice():
    volume = drawn(cube(0), cube(4, 4, 4))
    assert count_lesions(volume, volume, voxel_mm3=1.0).lesions == 1
    plane = drawn((slice(0, 8), slice(0, 8)), (slice(8, 16), slice(8, 16)), shape=(30, 30))
    assert count_lesions(plane, plane, voxel_mm3=1.0).lesions == 1


@pytest.mark.parametrize(("voxel_mm3", "kept"), [(50 / 64, 1), (49.9 / 64, 0)])
def test_size_is_measured_in_cubic_millimetres(voxel_mm3, kept):
    counts = count_lesions(drawn(cube(0)), drawn(cube(0)), voxel_mm3=voxel_mm3)
    assert (counts.lesions, counts.components) == (kept, kept)
    assert (counts.dropped_lesions, counts.dropped_components) == (1 - kept, 1 - kept)


def test_a_dropped_lesion_neither_counts_nor_makes_a_hit():
    counts = count_lesions(drawn(cube(0)), drawn(cube(0, side=3)), voxel_mm3=1.0)
    assert counts == LesionCounts(components=1, dropped_lesions=1)
    assert lesion_f1_any(counts).undefined == lesion_f1_iou50(counts).undefined == "empty_ref"


def test_nothing_predicted_scores_zero_and_nothing_at_all_is_undefined():
    missed = count_lesions(drawn(), drawn(cube(0)), voxel_mm3=1.0)
    assert lesion_f1_any(missed).value == lesion_f1_iou50(missed).value == 0
    assert count_lesions(drawn(), drawn(), voxel_mm3=1.0) == LesionCounts()


def test_patients_add_up():
    assert LesionCounts(1, 1, 2, 1, 0, 3, 4) + LesionCounts(2, 0, 1, 1, 1, 0, 1) == LesionCounts(3, 1, 3, 2, 1, 3, 5)
