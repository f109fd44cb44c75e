"""Scores come back to the scan's own grid once, and what was never seen scores lowest."""

import numpy as np
import pytest

from uad_bench.data.geometry import SliceGeometry, on_scan_grid, to_native
from uad_bench.errors import DataError

SHAPE, BOX = (24, 30, 8), ((4, 3, 2), (20, 27, 6))
BRAIN = np.zeros((16, 24, 4), bool)
BRAIN[1:-1, 1:-1] = True


def geometry(field, size):
    return SliceGeometry(SHAPE, BOX, field, size, BRAIN, (0.0,))


NATIVE = geometry(None, None)
WORKING = geometry(((3.0, 21.0), (6.0, 24.0)), 6)


def test_native_scores_return_untouched_inside_the_brain():
    scores = np.random.default_rng(0).random((8, 24, 30)).astype(np.float32)
    back = to_native(scores, NATIVE)
    assert back.shape == SHAPE
    whole = np.zeros(SHAPE, bool)
    whole[4:20, 3:27, 2:6] = BRAIN
    assert (back[whole] == scores.transpose(1, 2, 0)[whole]).all()
    assert (back[~whole] == back[whole].min()).all()


def test_slices_that_were_not_scored_get_the_lowest_score():
    back = to_native(np.stack([np.full((24, 30), 5.0), np.full((24, 30), 3.0)]), NATIVE, slices=[3, 4])
    assert set(np.unique(back[:, :, 3])) == {3, 5}
    assert (back[:, :, [0, 1, 2, 5, 6, 7]] == 3).all()


def test_a_straight_ramp_of_working_pixels_stays_straight():
    centres = 3 + 3 * (np.arange(6) + 0.5)  # in voxel edges along x
    ramp = np.broadcast_to(centres[:, None], (6, 6)).astype(np.float32)
    back = to_native(np.stack([ramp] * 8), WORKING)
    assert back[5:18, 10, 3] == pytest.approx(np.arange(5, 18) + 0.5, abs=1e-5)


def test_brain_outside_the_field_of_view_gets_the_lowest_score():
    back = to_native(np.stack([np.full((6, 6), 2.0)] * 7 + [np.full((6, 6), 9.0)]), WORKING, slices=range(8))
    assert (back == 2).all()
    marked = np.full((1, 6, 6), 4.0, np.float32)
    marked[0, 3, 3] = 1.0
    back = to_native(marked, WORKING, slices=[3])
    assert back[10, 4, 3] == back.min()  # y = 4 lies below the field, which starts at 6
    assert back[5, 10, 3] == 4


def test_a_score_that_is_not_a_number_stays_visible():
    scores = np.ones((8, 6, 6), np.float32)
    scores[3, 3, 3] = np.nan
    assert np.isnan(to_native(scores, WORKING)).any()


def test_the_share_of_brain_in_view_is_known():
    assert NATIVE.seen == 1
    assert WORKING.seen == pytest.approx(14 * 18 / (14 * 22))


def test_images_on_the_grid_of_the_scan_are_those_of_the_brain_in_view():
    for geometry, image, count in (
        (WORKING, np.full((4, 6, 6), 7.0), 14 * 18),
        (NATIVE, np.full((4, 16, 24), 7.0), 14 * 22),
    ):
        shown = on_scan_grid(image, geometry)
        assert shown.shape == SHAPE
        assert np.isfinite(shown).sum() == 4 * count
        assert set(np.unique(shown[np.isfinite(shown)])) == {7}


def test_maps_and_slices_must_match():
    with pytest.raises(DataError, match="2 score maps for 3 slices"):
        to_native(np.zeros((2, 6, 6), np.float32), WORKING, slices=[1, 2, 3])


def test_it_survives_json():
    import json

    again = SliceGeometry.from_json(json.loads(json.dumps(WORKING.to_json())), BRAIN)
    assert again.to_json() == WORKING.to_json()
    assert again.field == WORKING.field
