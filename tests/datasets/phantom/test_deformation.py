import numpy as np
import pytest

from uad_bench.datasets.phantom.deformation import LATTICE, Deformation, MassEffect, draw_deformation
from uad_bench.datasets.phantom.grid import Grid

CENTRE = np.array([30.0, -20.0, 20.0])


@pytest.mark.parametrize("seed", range(8))
def test_anatomy_never_folds_even_beside_the_strongest_tumour(seed):
    mass = MassEffect(CENTRE, radius=30.0, strength=0.5)
    assert draw_deformation(np.random.default_rng(seed), mass=mass).jacobian().min() > 0.05


def test_a_still_deformation_is_the_identity():
    grid = Grid((5, 6, 4), (11.0, 7.0, 9.0))
    still = Deformation(np.zeros((3, *LATTICE.shape), dtype=np.float32), np.eye(3))
    points = still.on(grid)
    np.testing.assert_allclose(points, np.stack(np.meshgrid(*map(grid.axis, range(3)), indexing="ij")), atol=1e-4)
    np.testing.assert_allclose(still.jacobian(), 1)


def test_a_scaling_alone_has_its_own_determinant():
    half = Deformation(np.zeros((3, *LATTICE.shape), dtype=np.float32), np.diag([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(half.jacobian(), 1.0)


def test_a_tumour_pushes_tissue_outwards():
    still = draw_deformation(np.random.default_rng(0))
    pushed = draw_deformation(np.random.default_rng(0), mass=MassEffect(CENTRE, radius=30.0, strength=0.4))
    inwards = np.sum((pushed.displacement - still.displacement) * offset_from(CENTRE), axis=0)
    near = np.linalg.norm(offset_from(CENTRE), axis=0) < 45
    assert (inwards[near] <= 0.05 * 45).all()  # a point shows tissue that lay nearer to the centre
    assert np.median(inwards[near]) < -50


def test_patients_differ_by_millimetres():
    first, second = (draw_deformation(np.random.default_rng(seed)).displacement for seed in (1, 2))
    assert 2 < np.sqrt(np.mean((first - second) ** 2)) < 12


def offset_from(centre):
    mesh = np.meshgrid(*map(LATTICE.axis, range(3)), indexing="ij")
    return np.stack(mesh) - centre[:, None, None, None]
