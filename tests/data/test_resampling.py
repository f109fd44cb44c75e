"""Weights that average when shrinking and interpolate when enlarging."""

import numpy as np
import pytest

from uad_bench.data.resampling import adaptive_weights, area_weights, bilinear_weights, linear_weights


def test_shrinking_by_three_averages_three_voxels():
    assert area_weights(6, 0, 6, 2) @ np.arange(6) == pytest.approx([1, 4])


def test_shrinking_by_a_fraction_weighs_by_overlap():
    assert area_weights(3, 0, 3, 2) == pytest.approx(np.array([[2, 1, 0], [0, 1, 2]]) / 3)


def test_pixels_beyond_the_image_are_covered_in_part():
    assert area_weights(4, -2, 6, 2).sum(1) == pytest.approx([0.5, 0.5])
    assert area_weights(4, -4, 4, 2).sum(1) == pytest.approx([0, 1])


def test_adaptive_averages_share_the_voxels_between_two_pixels():
    assert (3 * adaptive_weights(5, 0, 5, 2)).tolist() == [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]]


def test_240_voxels_become_128_pixels_of_two_or_three():
    weights = adaptive_weights(240, 0, 240, 128)
    assert [sorted(np.flatnonzero(row)) for row in weights[:3]] == [[0, 1], [1, 2, 3], [3, 4, 5]]
    assert set((weights > 0).sum(1)) == {2, 3}
    assert (weights == weights[::-1, ::-1]).all()  # the same from either side, so orientation does not matter


def test_bilinear_pixels_are_between_their_two_nearest_voxels_only():
    assert (4 * bilinear_weights(8, 0, 8, 2)).tolist() == [[0, 2, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2, 2, 0]]
    first = bilinear_weights(240, 0, 240, 128)[0]  # the centre of the first pixel is 0.9375 voxels from the edge
    assert first[:3].tolist() == [0.5625, 0.4375, 0]


@pytest.mark.parametrize("resample", [area_weights, adaptive_weights, bilinear_weights])
def test_pixels_beyond_the_image_show_nothing(resample):
    assert resample(4, -4, 4, 2).sum(1).tolist() == [0, 1]


@pytest.mark.parametrize("size", [3, 7, 40])
def test_the_sum_over_the_field_is_kept(size):
    image = np.random.default_rng(0).random(20)
    assert (area_weights(20, 0, 20, size) @ image).sum() * 20 / size == pytest.approx(image.sum(), rel=1e-5)


def test_enlarging_keeps_a_straight_line():
    small = area_weights(30, 0, 30, 10) @ np.arange(30)
    back = linear_weights(30, 0, 30, 10) @ small
    assert back[1:-1] == pytest.approx(np.arange(1, 29), abs=1e-4)


def test_the_outermost_pixel_counts_to_the_edge_and_nothing_beyond():
    weights = linear_weights(10, 2, 8, 2)
    assert weights.sum(1) == pytest.approx([0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
    assert (weights[2] == [1, 0]).all()
