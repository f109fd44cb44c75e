"""Aggregated normative diffusion: its times, its noise, and the mean over times."""

import pytest
import torch
from torch import nn

from uad_bench.method import Compute, SliceBatch, SliceKey
from uad_bench.seeding import slice_noise
from uad_methods.andi import ALPHA_BAR, ANDi
from uad_methods.noise import pyramid_noise


class Wrong(nn.Module):
    """A denoiser that takes the slice for another, brighter by an amount that the time decides."""

    def __init__(self, x_0, by):
        super().__init__()
        self.x_0, self.by, self.times = x_0, by, []

    def forward(self, _, t):
        self.times.append(int(t[0]))
        return (self.x_0 + self.by(int(t[0]))).expand(len(t), -1, -1, -1)


def with_answers(x, by, **params):
    method = ANDi(predicts="x0", **params)
    method.networks_, method.compute_ = {"denoiser": Wrong(x, by)}, Compute(seed=5)
    return method


def slices(x):
    return SliceBatch(x, torch.ones_like(x, dtype=torch.bool), tuple(SliceKey("p", z) for z in range(len(x))))


X = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)


def test_the_published_times_are_all_from_75_to_199():
    assert ANDi(times=125).visited == list(range(75, 200))
    assert ANDi().network_calls_per_slice == len(ANDi().visited) == 16
    assert ANDi(times=12).visited[0] == 75
    assert set(ANDi(times=12).visited) <= set(range(75, 200))


def test_the_score_is_the_geometric_mean_of_squared_differences_of_posterior_means():
    """mu(x_t, a) - mu(x_t, b) = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) (a - b). Ho et al. (2020), Eq. 7."""
    method = with_answers(X, lambda t: t / 100, first=100, last=190, times=3, residual="l2")
    expected = 1.0
    for t in (100, 130, 160):
        a, b = ALPHA_BAR[t], ALPHA_BAR[t - 1]
        expected *= float((b.sqrt() * (1 - a / b) / (1 - a) * t / 100) ** 2) ** (1 / 3)
    assert torch.allclose(method.score(slices(X)), torch.tensor(expected), rtol=1e-4)
    assert method.networks_["denoiser"].times == [100, 130, 160]


def test_a_voxel_that_is_right_at_one_time_scores_almost_nothing():
    method = with_answers(X, lambda t: 0.0 if t == 100 else 5.0, first=100, last=190, times=3, residual="l2")
    assert method.score(slices(X)).max() < 1e-3


def test_a_model_that_names_the_noise_is_asked_for_the_image_that_it_leaves():
    class Names(nn.Module):
        def forward(self, x_t, t):
            eps = slice_noise([SliceKey("p", 0)], (1, 8, 8), "noise", int(t[0]), seed=5)
            return eps.expand(len(t), -1, -1, -1)

    method = with_answers(X, None, residual="l2")
    method.predicts, method.networks_ = "eps", {"denoiser": Names()}
    assert method.score(slices(X)).max() < 1e-9


def test_noise_of_many_resolutions_has_unit_spread_and_large_structures():
    noise = pyramid_noise((256, 1, 64, 64), discount=0.8, generator=torch.Generator().manual_seed(0))
    blocks = nn.functional.avg_pool2d(noise, 16)
    assert noise.std().item() == pytest.approx(1, abs=1e-4)
    assert blocks.std() > 5 / 16  # white noise would leave 1 / 16


def test_without_coarser_levels_it_is_white():
    noise = pyramid_noise((256, 1, 64, 64), discount=0.0, generator=torch.Generator().manual_seed(0))
    assert nn.functional.avg_pool2d(noise, 16).std().item() == pytest.approx(1 / 16, rel=0.1)


def test_the_same_draws_give_the_same_noise():
    one, two = (pyramid_noise((2, 1, 9, 17), discount=0.8, generator=torch.Generator().manual_seed(4)) for _ in "ab")
    assert torch.equal(one, two)
