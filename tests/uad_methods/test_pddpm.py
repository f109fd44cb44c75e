"""Patched diffusion: each patch is rebuilt from the rest of the slice."""

import pytest
import torch
from torch import nn

from uad_bench.method import Compute, SliceBatch, SliceKey
from uad_methods.pddpm import ALPHA_BAR, PDDPM, grid_patches


class Watches(nn.Module):
    """A denoiser that keeps what it was given and answers a constant for each call."""

    def __init__(self):
        super().__init__()
        self.seen, self.times = [], []

    def forward(self, x, t):
        self.seen.append(x[:1].clone())
        self.times.append(int(t[0]))
        return torch.full_like(x, float(len(self.seen)))


def slices(x):
    return SliceBatch(x, torch.ones_like(x, dtype=torch.bool), tuple(SliceKey("p", z) for z in range(len(x))))


@pytest.mark.parametrize(("size", "grid"), [((8, 8), 2), ((9, 14), 2), ((10, 10), 3)])
def test_patches_cover_a_slice_once(size, grid):
    patches = grid_patches(size, grid)
    assert patches.shape == (grid**2, 1, *size)
    assert (patches.sum(dim=0) == 1).all()


def test_noise_lies_in_one_patch_at_a_time_and_the_answers_are_put_together():
    method = PDDPM(residual="l1")
    method.networks_, method.compute_ = {"denoiser": Watches()}, Compute()
    x = torch.zeros(1, 1, 8, 8)
    scores = method.score(slices(x))
    changed = [(seen != 0)[0, 0] for seen in method.networks_["denoiser"].seen]
    assert all(torch.equal(c, p[0]) for c, p in zip(changed, grid_patches((8, 8), 2), strict=True))
    assert [scores[0, y, x].item() for y, x in ((0, 0), (0, 7), (7, 0), (7, 7))] == [1, 2, 3, 4]
    assert method.networks_["denoiser"].times == [499] * 4 == [499] * method.network_calls_per_slice


def test_the_schedule_is_the_cosine():
    t = torch.arange(1, 901, dtype=torch.float64) / 1000
    f = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2 / torch.cos(torch.tensor(0.008 / 1.008 * torch.pi / 2)) ** 2
    torch.testing.assert_close(ALPHA_BAR[:900], f)


def test_the_loss_counts_one_patch_only():
    """An answer that is wrong by 3 everywhere costs 3, however large the patch."""
    method = PDDPM()
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    method.networks_ = {"denoiser": lambda x_t, t: x + 3}
    assert method._loss(slices(x), torch.Generator().manual_seed(1)).item() == pytest.approx(3, rel=1e-5)


def test_a_published_wavelength_is_two_thirds_of_a_slice():
    noise = PDDPM(octaves=1)._simplex(range(8), torch.zeros(8, 1, 96, 96))
    assert noise.diff(dim=3).abs().max() < 8 / 64
