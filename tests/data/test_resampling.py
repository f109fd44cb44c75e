"""Weights that average when shrinking and interpolate when enlarging."""

import numpy as np
import pytest

from uad_bench.data.resampling import area_weights, linear_weights


def test_shrinking_by_three_averages_three_voxels():
    assert area_weights(6, 0, 6, 2) @ np.arange(6) == pytest.approx([1, 4])


def test_shrinking_by_a_fraction_weighs_by_overlap():
    assert area_weights(3, 0, 3, 2) == pytest.approx(np.array([[2, 1, 0], [0, 1, 2]]) / 3)


def test_pixels_beyond_the_image_are_covered_in_part():
    assert area_weights(4, -2, 6, 2).sum(1) == pytest.approx([0.5, 0.5])
    assert area_weights(4, -4, 4, 2).sum(1) == pytest.approx([0, 1])


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
