"""Each scaling sends the intensity it is named for where its paper says."""

import numpy as np
import pytest

from uad_bench.data.scaling import SCALINGS, scale_for
from uad_bench.errors import ConfigError, DataError

VOLUME = np.zeros((6, 6, 6), np.int16)
VOLUME[1:5, 1:5, 1:5] = np.arange(10, 74).reshape(4, 4, 4)
BRAIN = VOLUME > 0


def test_p90_sends_zero_to_minus_3_and_the_percentile_to_3():
    scaled = scale_for("p90", VOLUME, BRAIN)(np.array([0, np.percentile(VOLUME[BRAIN], 90)]))
    assert scaled == pytest.approx([-3, 3])


@pytest.mark.parametrize("gain", [0.25, 1, 4, 3.7])
def test_p90_does_not_see_the_gain_of_the_scanner(gain):
    changed = VOLUME * gain
    scaled = scale_for("p90", changed, BRAIN)(changed)
    assert np.allclose(scaled, scale_for("p90", VOLUME, BRAIN)(VOLUME), rtol=1e-6, atol=1e-6)


def test_p90_is_not_clipped():
    assert scale_for("p90", VOLUME, BRAIN)(np.array([10000])) > 100


def test_p98_clip_ends_at_one_and_a_half():
    scaling = scale_for("p98-clip", VOLUME, BRAIN)
    assert scaling(np.array([0, np.percentile(VOLUME[BRAIN], 98), 10000])) == pytest.approx([0, 1, 1.5])


def test_p99_divides_by_the_percentile_of_foreground():
    brain = BRAIN.copy()
    brain[0] = True  # brain voxels that are dark in this modality do not count
    assert scale_for("p99", VOLUME, brain)(np.array([np.percentile(VOLUME[BRAIN], 99)])) == pytest.approx(1)


def test_p998_clip_counts_the_background_and_ends_at_one():
    volume = np.zeros((10, 10, 10))
    volume[0] = np.arange(1, 101).reshape(10, 10)  # of 1,000 voxels, 2 are above the percentile
    brain = volume > 0
    volume[9] = 1000  # outside the brain
    scaled = scale_for("p99.8-clip", volume, brain)(np.array([0, 49.001, 98.002, 100]))
    assert scaled == pytest.approx([0, 0.5, 1, 1])


def test_minmax_spans_the_brain():
    scaled = scale_for("minmax", VOLUME, BRAIN)(VOLUME[BRAIN])
    assert (scaled.min(), scaled.max()) == pytest.approx((0, 1), abs=1e-6)


def test_zscore_has_mean_0_and_deviation_1():
    scaled = scale_for("zscore", VOLUME, BRAIN)(VOLUME[BRAIN])
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize("name", SCALINGS)
def test_the_background_is_never_brighter_than_the_brain(name):
    scaling = scale_for(name, VOLUME, BRAIN)
    assert scaling.background <= scaling(VOLUME[BRAIN]).min()


@pytest.mark.parametrize("name", SCALINGS)
def test_doubling_all_intensities_changes_nothing(name):
    once, twice = (scale_for(name, volume, BRAIN)(volume) for volume in (VOLUME, 2 * VOLUME))
    assert once == pytest.approx(twice, abs=1e-5)


@pytest.mark.parametrize("name", ["p90", "zscore"])
def test_a_brain_without_contrast_is_refused(name):
    with pytest.raises(DataError, match="cannot scale"):
        scale_for(name, np.zeros_like(VOLUME), BRAIN)


def test_an_unknown_scaling_names_the_near_one():
    with pytest.raises(ConfigError, match=r"did you mean .p99."):
        scale_for("p98", VOLUME, BRAIN)
