import numpy as np
import pytest

from uad_bench.datasets.phantom.anatomy import PATH, load_atlas

MIDDLE_OF_WHITE_MATTER = (26.0, -20.0, 30.0)  # centrum semiovale, MNI mm
LATERAL_VENTRICLE = (8.0, -10.0, 22.0)
OUTSIDE = (0.0, 120.0, 0.0)


def sampled(name, point):
    atlas = load_atlas()
    return float(atlas.sample(getattr(atlas, name), np.array(point, dtype=np.float32)[:, None])[0])


def test_known_places_hold_their_tissue():
    assert sampled("white", MIDDLE_OF_WHITE_MATTER) > 0.9
    assert sampled("grey", LATERAL_VENTRICLE) + sampled("white", LATERAL_VENTRICLE) < 0.5
    assert sampled("support", LATERAL_VENTRICLE) == pytest.approx(1)
    assert sampled("support", OUTSIDE) == 0


def test_left_mirrors_right():
    x, y, z = MIDDLE_OF_WHITE_MATTER
    assert sampled("white", (x, y, z)) == sampled("white", (-x, y, z))


def test_the_brain_has_the_template_s_volume():
    atlas = load_atlas()
    halves = 2 * atlas.support.sum() - atlas.support[0].sum()  # the plane of symmetry is stored once
    assert halves * atlas.spacing**3 / 1000 == pytest.approx(1886.5, rel=0.01)  # mL


def test_the_shipped_array_is_small():
    assert PATH.stat().st_size < 500_000
