"""Simulated artefacts keep place, background and brain, and are the same whenever they are drawn."""

import numpy as np
import pytest

from uad_bench.data.perturbation import LEVELS, PERTURBATIONS, Perturbation, gamma, ghosting
from uad_bench.errors import ConfigError

KINDS = [f"{kind}:{level}" for kind in PERTURBATIONS for level in LEVELS]


@pytest.fixture(scope="module")
def brain():
    """A ball of smooth tissue, background 0."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 30, 20)), indexing="ij")
    texture = 100 + 20 * np.sin(5 * axes[0]) * np.cos(4 * axes[1])
    return np.where(sum(axis**2 for axis in axes) < 0.8, texture, 0).astype(np.float32)


@pytest.mark.parametrize("text", KINDS)
def test_background_stays_background_and_brain_stays_brain(brain, text):
    changed = Perturbation.parse(text)(brain, "p1", "flair")
    assert np.array_equal(changed > 0, brain > 0)
    assert np.isfinite(changed).all()
    assert not np.array_equal(changed, brain)


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_a_higher_level_changes_more(brain, kind):
    inside = brain > 0
    changes = [np.abs(Perturbation(kind, level)(brain, "p1") - brain)[inside].mean() for level in LEVELS]
    assert changes == sorted(changes)


def test_a_patient_always_gets_the_same_change_and_another_patient_another(brain):
    noise = Perturbation.parse("noise")
    assert np.array_equal(noise(brain, "p1", "flair"), noise(brain, "p1", "flair"))
    assert not np.array_equal(noise(brain, "p1", "flair"), noise(brain, "p2", "flair"))


def test_a_bias_field_has_the_amplitude_that_its_level_says(brain):
    inside = brain > 0
    ratio = Perturbation.parse("bias-field:severe")(brain, "p1")[inside] / brain[inside]
    assert 0.1 < np.abs(np.log(ratio)).max() <= 0.5 + 1e-6  # the maximum is at a corner, outside the ball


def test_noise_has_the_standard_deviation_that_its_level_says():
    flat = np.full((40, 40, 40), 100.0)
    assert Perturbation.parse("noise:severe")(flat, "p1").std() == pytest.approx(10, rel=0.03)


def test_half_resolution_removes_a_checkerboard():
    board = 100 + 50 * (-1.0) ** np.indices((16, 16, 16)).sum(axis=0)
    assert Perturbation.parse("resolution")(board, "p1").std() < 5


class Drawn:
    """A generator whose every draw is known."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value

    def integers(self, *_: int) -> int:
        return int(self.value)


@pytest.mark.parametrize(("drawn", "expected"), [(0.49, 0.25), (0.5, 2.0)])
def test_gamma_raises_intensities_relative_to_the_highest_to_the_exponent_or_its_inverse(drawn, expected):
    assert gamma(np.array([1.0, 4.0]), 2.0, Drawn(drawn)).tolist() == [expected, 4.0]


def test_ghosting_weakens_every_fourth_line_but_the_central_two_in_a_hundred():
    y = 2 * np.pi * np.arange(100) / 100

    def left(frequency: int) -> float:
        wave = 2 + np.cos(frequency * y)[None, :, None]
        return float(np.ptp(ghosting(wave, 0.8, Drawn(1))) / np.ptp(wave))

    # of the two lines of a wave, k and -k, those at 1, 5, 9 ... of a hundred are weakened to 0.2
    assert [left(k) for k in (1, 2, 5, 4)] == pytest.approx([1, 1, 0.6, 1])


def test_ghosts_are_copies_a_quarter_of_the_field_of_view_away():
    image = np.ones((4, 64, 4))
    image[:, 28:36] = 100
    ghost = Perturbation.parse("ghosting:severe")(image, "p1")
    assert ghost[:, 12:20].mean() > ghost[:, 4:10].mean() + 5


@pytest.mark.parametrize(("text", "message"), [("nois", "did you mean 'noise'"), ("noise:harsh", "known: mild")])
def test_an_unknown_kind_or_level_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        Perturbation.parse(text)
