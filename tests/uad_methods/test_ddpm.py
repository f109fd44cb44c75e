"""Diffusion denoising, Gaussian and simplex."""

import pytest
import torch
from torch import nn

from uad_bench.method import Compute, SliceBatch, SliceKey
from uad_bench.seeding import generator
from uad_methods.anoddpm import AnoDDPM
from uad_methods.ddpm import ALPHA_BAR, DDPM


class Says(nn.Module):
    """A denoiser that answers what the slice truly is, or the noise in it."""

    def __init__(self, x_0, *, eps):
        super().__init__()
        self.x_0, self.eps, self.times = x_0, eps, []

    def forward(self, x_t, t):
        self.times.append(int(t[0]))
        alpha_bar = float(ALPHA_BAR[int(t[0])])
        noise = (x_t - alpha_bar**0.5 * self.x_0) / (1 - alpha_bar) ** 0.5
        return noise if self.eps else self.x_0.expand_as(x_t)


def with_truth(cls, x, *, eps=False, **params):
    method = cls(predicts="eps" if eps else "x0", **params)
    method.networks_, method.compute_ = {"denoiser": Says(x, eps=eps)}, Compute()
    return method


@pytest.mark.parametrize("cls", [DDPM, AnoDDPM])
@pytest.mark.parametrize("sampler", ["ddim", "ancestral"])
@pytest.mark.parametrize("eps", [False, True])
def test_a_denoiser_that_knows_the_slice_scores_zero(cls, sampler, eps):
    x = torch.linspace(-1, 1, 256).view(1, 1, 16, 16)
    method = with_truth(cls, x, eps=eps, steps=5, sampler=sampler, noise_level=200)
    scores = method.score(SliceBatch(x, x > 0, (SliceKey("p", 0),)))
    assert scores.abs().max() < 1e-4


def test_the_chain_visits_every_time_below_the_noise_level():
    x = torch.zeros(1, 1, 8, 8)
    method = with_truth(DDPM, x, steps=200, noise_level=200, sampler="ancestral")
    method.score(SliceBatch(x, x > 0, (SliceKey("p", 0),)))
    assert method.networks_["denoiser"].times == list(range(199, -1, -1))
    assert method.network_calls_per_slice == 200


def test_predictions_are_clipped_to_the_data_range():
    x = torch.full((1, 1, 8, 8), 5.0)
    method = with_truth(DDPM, x, clip=3.0, residual="l2")
    assert method.score(SliceBatch(x, x > 0, (SliceKey("p", 0),))).mean() == pytest.approx(4.0)


def test_training_noise_of_anoddpm_is_simplex_and_scaled_with_the_slice():
    method = AnoDDPM(octaves=1)
    noise = method.draw_noise(torch.zeros(8, 1, 64, 64), torch.Generator().manual_seed(0))
    assert noise.diff(dim=3).abs().max() < 8 / 16  # smooth: wavelength 64 pixels of 256 are 16 of 64
    assert AnoDDPM(octaves=1, unit_variance=True).draw_noise(
        torch.zeros(64, 1, 64, 64), torch.Generator().manual_seed(0)
    ).std() == pytest.approx(1, rel=0.1)


class Blurs(nn.Module):
    """Forgets more than the noise did above one time, and nothing below it."""

    def __init__(self, x, best):
        super().__init__()
        self.x, self.best = x, best

    def forward(self, x_t, t):
        return self.x[: len(x_t)] if int(t[0]) == self.best - 1 else x_t * 0 + 9


def test_the_level_is_chosen_by_foreign_patches_and_kept_with_the_weights():
    x = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    x += torch.arange(4.0).view(4, 1, 1, 1)
    slices = SliceBatch(x, torch.ones_like(x, dtype=torch.bool), tuple(SliceKey("p", z) for z in range(4)))

    class Four:
        def __len__(self):
            return 4

        def take(self, indices):
            self.order = list(indices)
            return SliceBatch(x[self.order], slices.brain_mask, slices.keys)

    method, train = DDPM(noise_level="auto"), Four()
    method.compute_ = Compute()
    order = torch.randperm(4, generator=generator(0, "foreign patches"))
    method.networks_ = {"denoiser": Blurs(x[order], best=300)}
    assert method._choose_level(train) == 300
    assert train.order == order.tolist()
