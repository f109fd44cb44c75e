"""Coarse and simplex noise."""

import numpy as np
import pytest
import torch

from uad_methods import simplex
from uad_methods.noise import coarse_noise
from uad_methods.simplex import EDGES, OCTAVE_STD, WORD, _choices, _corners, simplex_noise, simplex_std


def reference_plane(points, edges, *, wavelength, z, size):
    """Simplex noise from its definition: every lattice point within reach contributes, searched by brute force."""
    plane = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            p = np.array([x / wavelength, y / wavelength, z])
            for point, edge in zip(points, edges, strict=True):
                d = p - (point - point.sum() / 6)
                plane[y, x] += max(0.0, 0.5 - d @ d) ** 4 * (edge @ d)
    return plane


def test_corners_are_all_lattice_points_within_reach():
    wavelength, z, size = 4.0, 0.381966, (6, 7)
    corners, weights = _corners(size, wavelength, z=z)
    box = np.stack(np.meshgrid(*[np.arange(-3, 5)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    edges = np.random.default_rng(0).normal(size=(len(box), 3))
    chosen = {tuple(point): edge for point, edge in zip(box, edges, strict=True)}
    own = [
        sum(w @ chosen[tuple(float(v) for v in c)] for c, w in zip(four.tolist(), ws.numpy(), strict=True))
        for four, ws in zip(corners, weights, strict=True)
    ]
    expected = reference_plane(box, edges, wavelength=wavelength, z=z, size=size).ravel()
    assert np.allclose(own, expected, atol=1e-6)


def test_gradients_point_to_the_twelve_edges_of_a_cube():
    assert len(EDGES) == 12
    assert (EDGES.square().sum(dim=1) == 2).all()
    assert not EDGES.sum(dim=0).any()


def test_a_word_chooses_among_all_edges_for_each_of_its_points():
    choices = _choices([torch.Generator().manual_seed(k) for k in range(4)], 160_000)
    edges = (choices.int() & 0xFFFF) * len(EDGES) >> 16
    counts = torch.stack([edges[:, place::WORD].flatten().bincount(minlength=12) for place in range(WORD)])
    assert counts.shape == (4, 12)
    assert (counts / counts.sum(dim=1, keepdim=True) * 12 - 1).abs().max() < 0.05  # five standard errors


def test_a_plane_depends_on_its_seed_alone():
    together = simplex_noise([7, 8, 9], (32, 32), wavelength=8.0)
    assert torch.equal(simplex_noise([8], (32, 32), wavelength=8.0)[0], together[1])
    many = simplex_noise(range(40), (32, 32), wavelength=8.0)
    assert torch.equal(many[7:10], together)
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("octaves", [1, 6])
def test_spread_is_that_of_independent_octaves(octaves):
    field = simplex_noise(range(128), (64, 64), octaves=octaves, wavelength=16.0)
    assert field.std() == pytest.approx(simplex_std(octaves=octaves, persistence=0.8), rel=0.05)
    assert abs(field.mean()) < 0.05
    assert simplex_std(octaves=1, persistence=0.8) == OCTAVE_STD


def test_an_octave_is_smooth_and_bounded():
    field = simplex_noise(range(16), (64, 64), octaves=1, wavelength=32.0)
    assert field.abs().max() < 1
    assert field.diff(dim=2).abs().max() < 8 / 32


@pytest.mark.parametrize("wavelength", [8.0, 16.0])
def test_power_lies_around_the_wavelength(wavelength):
    field = simplex_noise(range(64), (128, 128), octaves=1, wavelength=wavelength)
    power = torch.fft.rfft2(field).abs().square().mean(dim=0)
    radius = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.rfftfreq(128)[None, :])
    mean_frequency = float((power * radius).sum() / power.sum())
    assert 0.5 / wavelength < mean_frequency < 1.5 / wavelength


def test_lower_octaves_are_stronger_by_the_persistence():
    two, one = (simplex_noise(range(256), (64, 64), octaves=n, wavelength=16.0).var() for n in (2, 1))
    assert (two - one) / one == pytest.approx(0.8**2, rel=0.1)


def test_coarse_noise_is_bilinear_and_shifted():
    field = coarse_noise((64, 1, 32, 32), grid=4, generator=torch.Generator().manual_seed(0))
    assert field.shape == (64, 1, 32, 32)
    assert abs(field.mean()) < 0.05
    kinks = field.diff(n=2, dim=3).abs() > 1e-5
    assert kinks.flatten(1, 3).any(dim=1).all()
    columns = {tuple(row.nonzero().flatten().tolist()) for row in kinks[:, 0].any(dim=1)}
    assert len(columns) > 4  # shifted differently
    along = 3 / 4 * 2 / 3 + 1 / 4 * 1  # mean of (1 - u)^2 + u^2 between points, 1 beyond the outermost
    assert field.var() == pytest.approx(along**2, rel=0.1)


def test_coarse_noise_repeats_with_its_generator():
    first, second = (coarse_noise((2, 1, 8, 8), grid=2, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_all_pixels_vary_alike():
    spread = simplex_noise(range(512), (32, 32), wavelength=8.0).std(dim=0)
    assert spread.std() / spread.mean() < 0.08  # 0.03 of it is the error of 512 draws


def test_compiled_fields_are_the_same_to_rounding(monkeypatch):
    pytest.importorskip("numba")
    fields = []
    for compiled in (True, False):
        monkeypatch.setattr(simplex, "has_numba", lambda compiled=compiled: compiled)
        fields.append(simplex_noise([3, 1, 4], (40, 33), wavelength=16.0))
    assert torch.allclose(*fields, atol=2e-6)
    assert fields[0].std() > 0.1
