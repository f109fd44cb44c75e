import numpy as np
import pytest

from uad_bench.datasets.phantom.grid import Grid, Taps, blend, linear_taps, random_field

GRID = Grid((20, 22, 18), (8.0, 8.0, 8.0))


def test_a_random_field_has_zero_mean_and_unit_variance_everywhere():
    fields = np.stack([random_field(np.random.default_rng(k), GRID, length=15.0) for k in range(300)])
    assert fields.mean() == pytest.approx(0, abs=0.03)
    assert fields.std() == pytest.approx(1, abs=0.02)
    assert np.abs(fields.var(axis=0) - 1).max() < 0.5  # chi-squared of 300 draws at 7920 places


def test_a_random_field_does_not_depend_on_the_resolution():
    fine = random_field(np.random.default_rng(3), GRID.refined((3, 3, 3)), length=20.0)
    coarse = random_field(np.random.default_rng(3), GRID, length=20.0)
    np.testing.assert_allclose(fine[1::3, 1::3, 1::3], coarse, atol=1e-4)


def test_linear_taps_reproduce_a_linear_function():
    lattice = np.add.outer(np.add.outer(np.arange(4.0), 10 * np.arange(5.0)), 100 * np.arange(6.0)).astype(np.float32)
    at = [np.array([0.0, 1.25, 3.0]), np.array([0.5, 3.75]), np.array([4.5])]
    result = blend(lattice, [linear_taps(x, n) for x, n in zip(at, lattice.shape, strict=True)])
    np.testing.assert_allclose(result, np.add.outer(np.add.outer(at[0], 10 * at[1]), 100 * at[2]), rtol=1e-6)


def test_linear_taps_stay_constant_beyond_the_ends():
    lattice = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    ends = [linear_taps(np.array([-5.0, 7.0]), 2)] * 3
    np.testing.assert_array_equal(blend(lattice, ends), lattice)


def test_the_affine_maps_voxels_to_their_millimetres():
    centre = GRID.affine() @ [3, 4, 5, 1]
    assert centre[:3] == pytest.approx([GRID.axis(0)[3], GRID.axis(1)[4], GRID.axis(2)[5]])


def test_refining_and_coarsening_cancel_and_keep_the_box():
    fine = GRID.refined((2, 1, 4))
    assert fine.coarsened((2, 1, 4)) == GRID
    assert fine.axis(2)[:4].mean() == pytest.approx(GRID.axis(2)[0])


def test_taps_weigh_consecutive_knots():
    lattice = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    first = Taps(np.array([0]), np.array([[0, 1]], dtype=np.float32))
    assert blend(lattice, [first, first, first]).item() == lattice[1, 1, 1]
