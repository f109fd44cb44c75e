"""Localising patches: each output sees its patch alone, and the score is error and doubt."""

import math

import pytest
import torch
from torch import nn

from tests.uad_methods.conftest import make_slices
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_methods.nn.locator import PatchLocator, sines, surround
from uad_methods.patch2loc import Patch2Loc


def prepared(size=16, **params):
    """A method with a fresh network for slices of this size, heights 2 .. 6."""
    method = Patch2Loc(width=4, latent=16, **params)
    method._prepare((size, size), Compute(), method.units_)
    method.heights_ = torch.tensor([2, 6])
    return method


@pytest.mark.parametrize("patch", [5, 8, 12])
def test_a_whole_slice_gives_what_each_of_its_patches_gives(patch):
    torch.manual_seed(0)
    network, x, z = PatchLocator(patch, width=4, latent=8).eval(), torch.randn(1, 1, 16, 20), torch.tensor([30.0])
    padded = surround(x, patch)
    whole = network(padded, z)
    assert whole.shape == (1, 4, 16, 20)
    for row, column in ((0, 0), (7, 11), (15, 19)):
        one = network(padded[..., row : row + patch, column : column + patch], z)
        torch.testing.assert_close(one[0, :, 0, 0], whole[0, :, row, column], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("patch", [5, 8])
def test_a_pixel_lies_in_the_middle_of_its_patch(patch):
    x = torch.arange(100.0).view(1, 1, 10, 10)
    padded = surround(x, patch)
    assert padded[0, 0, 4 + patch // 2, 6 + patch // 2] == x[0, 0, 4, 6]
    assert padded.shape[-2:] == (9 + patch, 9 + patch)


def test_drawn_patches_are_named_by_where_they_lie():
    method = prepared(patches=40, min_brain=0.3)
    x = torch.arange(256.0).view(1, 1, 16, 16).repeat(2, 1, 1, 1)
    x[1] += 1000
    brain = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    brain[..., 4:12, 4:12] = True
    batch = SliceBatch(x, brain, (SliceKey("a", 2), SliceKey("b", 3)))
    patches, places = method._draw(batch, torch.Generator().manual_seed(0))
    middle = patches[:, 0, 2, 2]  # of five pixels
    row, column = (places * 16 / 100).round().long().unbind(dim=1)
    assert patches.shape == (40, 1, 5, 5)
    assert torch.equal(middle[:20], (row * 16 + column)[:20].float())
    assert torch.equal(middle[20:], 1000 + (row * 16 + column)[20:].float())
    assert row.min() >= 3
    assert row.max() <= 12  # three tenths of a patch are brain


def test_heights_are_percent_of_the_slices_that_were_learned_from():
    heights = prepared()._heights([SliceKey("p", z) for z in (2, 3, 6, 8)], torch.device("cpu"))
    assert heights.tolist() == [0, 25, 100, 150]


def test_sines_of_different_heights_differ_and_zero_is_known():
    found = sines(torch.tensor([0.0, 10.0, 90.0]), 6)
    assert found[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert len({tuple(row) for row in found.tolist()}) == 3


class Answers(nn.Module):
    """Says that every patch lies at one place, with one variance."""

    def __init__(self, place, log_variance):
        super().__init__()
        self.said = torch.tensor([*place, log_variance, 3 * log_variance])[None, :, None, None]

    def forward(self, x, _):
        return self.said.expand(len(x), -1, x.shape[2] - 4, x.shape[3] - 4)


def test_the_score_is_the_log_of_the_squared_error_and_the_mean_log_variance():
    method = prepared(least=0.5)
    method.networks_ = {"locator": Answers((25.0, 50.0), 0.7)}
    x = torch.zeros(1, 1, 16, 16)
    scores = method.score(SliceBatch(x, x == 0, (SliceKey("p", 3),)))
    assert scores[0, 4, 8].item() == pytest.approx(math.log(0.5) + 1.4)  # row 4 of 16 is 25 %, column 8 is 50 %
    assert scores[0, 8, 4].item() == pytest.approx(math.log(25**2 + 25**2 + 0.5) + 1.4)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_the_loss_is_the_likelihood_weighed_by_the_variance(beta):
    method = prepared(beta=beta, patches=8)
    method.networks_ = {"locator": Answers((0.0, 0.0), 2.0)}
    batch = make_slices(("flair",), n=2, size=16).batch
    loss = method._loss(batch, torch.Generator().manual_seed(0))
    _, places = method._draw(batch, torch.Generator().manual_seed(0))
    log_variance = torch.tensor([2.0, 6.0])
    nll = 0.5 * (places**2 / log_variance.exp() + log_variance)
    assert loss.item() == pytest.approx(((beta * log_variance).exp() * nll).sum(1).mean().item(), rel=1e-5)


def test_places_are_learned(healthy):
    """After a few steps the squared error is below the variance of the places."""
    method = Patch2Loc(width=8, latent=32, patches=256)
    train = healthy(("flair",))
    method.fit(train, budget=Budget(100, 8), compute=Compute(seed=0))
    batch = method.ready(train.batch)
    patches, places = method._draw(batch, torch.Generator().manual_seed(1))
    heights = method._heights(batch.keys, torch.device("cpu")).repeat_interleave(len(patches) // len(batch))
    with torch.no_grad():
        mean = method.networks_["locator"](patches, heights)[:, :2, 0, 0]
    assert (mean - places).square().mean() < 0.7 * (places - places.mean(dim=0)).square().mean()
