"""Surface distances of spheres and cubes whose distances are known, in mm whatever the voxel size."""

import numpy as np
import pytest

from uad_bench.metrics.surface import assd, hd95, mean_of_directions, nsd, surface_distances

SPACING = (1.0, 1.0, 1.0)


def sphere(radius_mm, *, spacing=SPACING, half_mm=20.0):
    axes = [np.arange(-half_mm, half_mm + step, step) for step in spacing]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2 <= radius_mm**2


def cube(x, side=3):
    mask = np.zeros((20, 20, 20), bool)
    mask[x : x + side, 5 : 5 + side, 5 : 5 + side] = True
    return mask


@pytest.mark.parametrize("spacing", [SPACING, (0.5, 0.5, 0.5), (1.0, 0.5, 0.8)])
def test_two_spheres_3_mm_apart_have_an_assd_of_3_mm(spacing):
    inner, outer = sphere(12, spacing=spacing), sphere(15, spacing=spacing)
    distances = surface_distances(inner, outer, spacing=spacing)
    assert assd(distances).value == pytest.approx(3, abs=0.2)  # voxels are up to 1 mm wide
    assert hd95(distances).value == pytest.approx(3, abs=0.7)  # one voxel of staircase
    assert nsd(distances, tolerance_mm=2).value < 0.05
    assert nsd(distances, tolerance_mm=4).value == 1


def test_a_mask_equals_itself():
    distances = surface_distances(cube(4), cube(4), spacing=SPACING)
    assert (assd(distances).value, hd95(distances).value, nsd(distances).value) == (0, 0, 1)


def test_shifted_cubes_touch_with_nine_of_26_surface_voxels():
    distances = surface_distances(cube(4), cube(7), spacing=SPACING)
    assert nsd(distances, tolerance_mm=1).value == pytest.approx(9 / 26)
    assert hd95(distances).value == 3
    assert assd(distances).value == pytest.approx((9 * 1 + 8 * 2 + 9 * 3) / 26)


def test_hd95_takes_the_worse_direction_and_assd_all_voxels():
    small, large = np.zeros((2, 40, 3, 3), bool)
    small[:10, 1, 1] = large[:, 1, 1] = True
    for distances in (
        surface_distances(small, large, spacing=SPACING),
        surface_distances(large, small, spacing=SPACING),
    ):
        assert hd95(distances).value == pytest.approx(np.percentile(np.maximum(np.arange(40) - 9, 0), 95))
        assert assd(distances).value == pytest.approx(sum(range(31)) / 50)
        assert nsd(distances).value == (10 + 12) / 50  # a distance equal to the tolerance is within it


def test_distances_scale_with_the_voxel():
    distances = surface_distances(cube(4), cube(7), spacing=(2.5, 1.0, 1.0))
    assert hd95(distances).value == 7.5


def test_the_edge_of_the_image_is_a_surface():
    whole = np.ones((5, 5, 5), bool)
    assert surface_distances(whole, whole, spacing=SPACING).of_reference.size == 125 - 27


def test_empty_masks_have_their_reasons():
    empty, some = np.zeros((20, 20, 20), bool), cube(3)
    missing = surface_distances(empty, some, spacing=SPACING)
    assert nsd(missing).value == 0
    assert hd95(missing).undefined == assd(missing).undefined == "empty_pred"
    for predicted in (empty, some):
        healthy = surface_distances(predicted, empty, spacing=SPACING)
        assert nsd(healthy).undefined == hd95(healthy).undefined == assd(healthy).undefined == "empty_ref"


def test_a_slice_is_measured_in_two_dimensions():
    one, other = np.zeros((2, 30, 30), bool)
    one[10, 5:25] = other[14, 5:25] = True
    assert assd(surface_distances(one, other, spacing=(0.5, 1.0))).value == 2


def disc(centre: int) -> np.ndarray:
    x, y = np.ogrid[:100, :100]
    return ((x - centre) ** 2 + (y - 50) ** 2 <= 20**2)[..., None]


def test_one_slice_of_a_volume_has_an_outline_and_not_a_surface_everywhere():
    flat = surface_distances(disc(45), disc(51), spacing=(1, 1, 5))
    assert flat.of_reference.size < 150  # of about 1,257 voxels
    assert assd(flat).value == pytest.approx(3.6, abs=0.01)
    assert assd(flat).value == assd(surface_distances(disc(45)[..., 0], disc(51)[..., 0], spacing=(1, 1))).value


def test_the_mean_of_directions_weighs_both_surfaces_equally():
    small, large = np.zeros((2, 40, 40), bool)
    small[20, 20] = large[10:31, 10:31] = True
    found = surface_distances(small, large, spacing=(1.0, 1.0))
    assert mean_of_directions(found).value == pytest.approx(
        (found.of_prediction.mean() + found.of_reference.mean()) / 2
    )
    assert found.of_prediction.mean() == 10
    assert mean_of_directions(found).value < assd(found).value
