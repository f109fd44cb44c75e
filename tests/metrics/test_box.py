"""The box around a mask is tight, and empty for an empty mask."""

import numpy as np

from uad_bench.metrics.box import bounding_box


def test_the_box_holds_all_true_voxels_and_no_more():
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 3), slice(3, 7))


def test_an_empty_mask_has_an_empty_box():
    mask = np.zeros((4, 4), bool)
    assert mask[bounding_box(mask)].size == 0
