"""Baselines without training."""

import pytest
import torch

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_methods.intensity import Intensity, IntensityCoarse, IntensityEqualised, Random, equalise


def volume(values, subject="p"):
    image = torch.tensor(values).view(1, 1, 1, -1)
    return SliceBatch(image, image > 0, (SliceKey(subject, 0),))


def test_intensity_is_the_score(sick):
    batch, _ = sick()
    assert torch.equal(Intensity().score(batch), batch.image[:, 0])


def test_coarse_intensity_is_what_a_network_sees(sick):
    batch, _ = sick()
    assert torch.equal(IntensityCoarse().score(batch), batch.image[:, 0])
    assert Intensity().modalities.native
    assert not IntensityCoarse().modalities.native


def test_equalised_intensity_is_the_share_of_brain_below():
    image = torch.linspace(0.001, 1, 1000).view(10, 10, 10) ** 1.2
    scores = equalise(image, torch.ones_like(image, dtype=torch.bool), bins=4096)
    expected = torch.linspace(0, 1, 1000).view(10, 10, 10)
    assert torch.allclose(scores, expected, atol=0.01)


def test_equalisation_ignores_brightness_and_contrast_of_a_scan(sick):
    batch, _ = sick()
    other = SliceBatch(3 * batch.image + 5, batch.brain_mask, batch.keys)
    method = IntensityEqualised()
    assert torch.allclose(method.score(batch), method.score(other), atol=1e-4)


def test_each_subject_is_equalised_by_itself():
    one, two = volume([0.0, 1.0, 2.0, 3.0], "a"), volume([0.0, 10.0, 20.0, 30.0], "b")
    both = SliceBatch(
        torch.cat([one.image, two.image]), torch.cat([one.brain_mask, two.brain_mask]), one.keys + two.keys
    )
    scores = IntensityEqualised().score(both)
    assert torch.allclose(scores[0], scores[1])
    assert scores[0, 0, 0] == 0
    assert scores.max() == 1


def test_a_volume_without_brain_scores_zero():
    assert not IntensityEqualised().score(volume([0.0, 0.0])).any()


def test_equalisation_asks_for_whole_volumes():
    assert IntensityEqualised.whole_volume


def test_chance_is_uniform_and_named_by_the_slice(sick):
    batch, _ = sick(n=8, size=64)
    method = Random().fit(None, budget=Budget(0, 1), compute=Compute(seed=3))
    scores = method.score(batch)
    alone = SliceBatch(batch.image[5:6], batch.brain_mask[5:6], batch.keys[5:6])
    assert torch.equal(method.score(alone)[0], scores[5])
    assert scores.mean() == pytest.approx(0.5, abs=0.01)
    assert scores.var() == pytest.approx(1 / 12, rel=0.02)


def test_chance_without_a_seed_is_refused(sick):
    with pytest.raises(NotFittedError):
        Random().score(sick()[0])
