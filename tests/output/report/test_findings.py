"""Missed lesions and false alarms are whole components that nothing on the other side touches."""

import numpy as np

from uad_bench.output.report.pictures import find_errors


def masks(predicted=(), anomaly=()):
    made = []
    for boxes in (predicted, anomaly):
        mask = np.zeros((20, 20, 10), bool)
        for corner, size in boxes:
            mask[tuple(slice(c, c + size) for c in corner)] = True
        made.append(mask)
    return made


def found(**boxes):
    return [(f.kind, f.at, f.ml) for f in find_errors(*masks(**boxes), voxel_mm3=8.0)]


def test_a_lesion_without_any_marked_voxel_is_missed():
    assert found(anomaly=[((2, 2, 2), 3)]) == [("missed lesion", (3, 3, 3), 0.216)]


def test_a_component_away_from_every_lesion_is_a_false_positive():
    assert found(predicted=[((10, 10, 5), 3)], anomaly=[((2, 2, 2), 3)])[1][:2] == ("false positive", (11, 11, 6))


def test_one_voxel_of_overlap_clears_both():
    assert found(predicted=[((4, 4, 4), 3)], anomaly=[((2, 2, 2), 3)]) == []


def test_specks_under_50_mm3_are_left_out():
    assert found(predicted=[((10, 10, 5), 1)], anomaly=[((2, 2, 2), 1)]) == []


def test_the_place_of_a_ring_lies_on_the_ring():
    ring = np.zeros((20, 20, 10), bool)
    ring[4:12, 4:12, 5] = True
    ring[6:10, 6:10, 5] = False
    (finding,) = find_errors(ring, np.zeros_like(ring), voxel_mm3=8.0)
    assert ring[finding.at]


def test_the_largest_come_first():
    sizes = [ml for _, _, ml in found(predicted=[((1, 1, 1), 2), ((10, 10, 5), 4), ((1, 12, 5), 3)])]
    assert sizes == sorted(sizes, reverse=True)
