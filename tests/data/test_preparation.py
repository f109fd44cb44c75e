"""Volumes become slices: scaled by the brain, blank outside it, square and centred."""

from dataclasses import replace

import numpy as np
import pytest

from uad_bench.data.preparation import Preprocessing, prepare_slices
from uad_bench.digests import digest_json
from uad_bench.errors import DataError

CHOICE = Preprocessing(("flair", "t1"), "p90", size=8, field_of_view=24.0)


@pytest.fixture
def volumes(patients):
    return {"flair": patients.texture(0), "t1": patients.texture(1)}


@pytest.fixture
def brain(patients):
    return patients.brain()


def test_native_slices_hold_the_scaled_voxels(volumes, brain):
    prepared = prepare_slices(volumes, brain, (1, 1, 1), replace(CHOICE, size=None))
    (x0, y0, z0), (x1, y1, z1) = prepared.geometry.box
    assert prepared.images.dtype == np.float32
    scaled = 6 * volumes["flair"] / np.percentile(volumes["flair"][brain], 90) - 3
    expected = np.where(brain, scaled, -3)[x0:x1, y0:y1, z0:z1].transpose(2, 0, 1)
    assert prepared.images[:, 0] == pytest.approx(expected, abs=1e-5)
    assert (prepared.brain.transpose(1, 2, 0) == prepared.geometry.brain).all()


def test_a_constant_brain_stays_constant_inside_and_dark_outside(brain):
    prepared = prepare_slices({"flair": brain * 500, "t1": brain * 100}, brain, (1, 1, 1), CHOICE)
    assert prepared.images.shape[1:] == (2, 8, 8)
    assert prepared.images.dtype == np.float16
    assert prepared.images.max() == 3
    assert prepared.images[:, :, 0, 0].max() == -3


def test_working_slices_average_the_voxels_under_a_pixel(volumes, brain):
    prepared = prepare_slices(volumes, brain, (1, 1, 1), CHOICE)
    (x0, y0, z0), (x1, y1, _) = prepared.geometry.box
    left, low = (x0 + x1) // 2 - 12, (y0 + y1) // 2 - 12
    native = np.where(brain, 6 * volumes["t1"] / np.percentile(volumes["t1"][brain], 90) - 3, -3)
    for row, column in [(3, 3), (4, 5), (2, 6)]:
        x, y = left + 3 * row, low + 3 * column
        assert prepared.images[4, 1, row, column] == pytest.approx(
            native[x : x + 3, y : y + 3, z0 + 4].mean(), abs=2e-3
        )


def test_the_field_is_in_millimetres(volumes, brain):
    field = prepare_slices(volumes, brain, (2, 0.5, 1), CHOICE).geometry.field
    assert field[0][1] - field[0][0] == 12
    assert field[1][1] - field[1][0] == 48


def test_voxels_outside_a_shipped_brain_mask_are_blank(volumes, brain):
    small = brain.copy()
    small[12:] = False
    prepared = prepare_slices(volumes, small, (1, 1, 1), replace(CHOICE, size=None))
    assert (prepared.images[:, 0][~prepared.brain] == -3).all()


def test_a_pixel_is_brain_if_more_than_half_of_it_is():
    brain = np.zeros((8, 8, 1), bool)
    brain[1:7, 1:6] = True  # six by five voxels; pixels of two voxels tile the middle 8 x 8
    brain[0, 0] = True
    brain[7, 7] = True
    choice = Preprocessing(("flair",), "p98-clip", size=4, field_of_view=8.0)
    mask = prepare_slices({"flair": brain * 9}, brain, (1, 1, 1), choice).brain[0]
    assert mask.tolist() == [[False] * 4, [False, True, True, False], [False, True, True, False], [False] * 4]


def test_whole_images_are_not_moved_to_the_brain(volumes, brain):
    field = prepare_slices(volumes, brain, (1, 2, 1), replace(CHOICE, centre="image")).geometry.field
    assert field == (
        (brain.shape[0] / 2 - 12, brain.shape[0] / 2 + 12),
        (brain.shape[1] / 2 - 6, brain.shape[1] / 2 + 6),
    )


@pytest.mark.parametrize(
    ("resample", "pixels", "brain"),
    [
        ("area", [-3.0, -2.25, 3.0, 3.0, -0.75], [False, False, True, True, False]),
        ("adaptive", [-3.0, -1.0, 3.0, 3.0, 0.0], [False, True, True, True, True]),
        ("bilinear", [-3.0, -3.0, 3.0, 3.0, -1.2], [False, False, True, True, True]),
    ],
)
def test_pixels_are_what_the_named_resampling_makes_of_the_voxels(resample, pixels, brain):
    """Eight voxels become five pixels of 1.6 voxels; the fourth to the seventh voxel are brain."""
    line = np.zeros((8, 8, 1), bool)
    line[3:7] = True
    choice = Preprocessing(("flair",), "p90", 5, 8.0, centre="image", resample=resample)
    prepared = prepare_slices({"flair": line * 7}, line, (1, 1, 1), choice)
    assert prepared.images[0, 0, :, 2] == pytest.approx(pixels, abs=2e-3)
    assert prepared.brain[0, :, 2].tolist() == brain


def test_every_choice_changes_the_digest():
    others = [
        replace(CHOICE, modalities=("t1", "flair")),
        replace(CHOICE, scaling="p99"),
        replace(CHOICE, size=16),
        replace(CHOICE, size=None),
        replace(CHOICE, field_of_view=20.0),
        replace(CHOICE, centre="image"),
        replace(CHOICE, resample="adaptive"),
    ]
    assert len({choice.digest for choice in [CHOICE, *others]}) == 8


def test_slices_prepared_before_there_were_other_centres_and_resamplings_stay_valid():
    assert CHOICE.digest == digest_json(
        {"version": 1, "modalities": ["flair", "t1"], "scaling": "p90", "size": 8, "field_of_view": 24.0}
    )


@pytest.mark.parametrize("choice", [{"field_of_view": 20.0}, {"centre": "image"}, {"resample": "adaptive"}])
def test_native_slices_do_not_depend_on_the_field_of_view(choice):
    assert replace(CHOICE, size=None).digest == replace(CHOICE, size=None, **choice).digest


def test_intensities_beyond_half_precision_are_refused(volumes, brain):
    volumes["flair"] = volumes["flair"].astype(np.float32)
    volumes["flair"][12, 14, 7] = 1e12
    with pytest.raises(DataError, match="range of float16"):
        prepare_slices(volumes, brain, (1, 1, 1), CHOICE)
