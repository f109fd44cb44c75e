"""Iterative masking: frequencies, training masks, the threshold, and the passes."""

import math

import pytest
import torch
from torch import nn

from tests.uad_methods.conftest import make_slices
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_methods.frequencies import high_frequencies
from uad_methods.held_out import hold_out
from uad_methods.itermask2 import IterMask2, upper_quantile, worst
from uad_methods.nn.unet import UNetShape
from uad_methods.random_masks import random_masks, squares

TINY = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)
WAVES = torch.arange(32) * 2 * math.pi / 32


@pytest.mark.parametrize(("cycles", "expected"), [(3, 2 / 32**2), (5, 4.0)])
def test_low_waves_keep_their_phase_and_lose_their_height(cycles, expected):
    wave = (cycles * WAVES + 0.4).cos().expand(32, -1)
    found = high_frequencies(4 * wave.view(1, 1, 32, 32), radius=5)
    height = 2 * (found[0, 0] * wave).mean()
    assert height.item() == pytest.approx(expected, rel=1e-3)


def test_masking_frequencies_twice_is_masking_once():
    x = torch.rand(2, 1, 24, 31, generator=torch.Generator().manual_seed(0))
    once = high_frequencies(x, 6)
    assert torch.allclose(high_frequencies(once, 6), once, atol=1e-5)


def test_squares_begin_at_their_corner_and_are_cut_at_the_border():
    corners = torch.tensor([[[1, 2], [6, 6], [3, 3], [-1, 4]]])
    mask = squares(corners, torch.tensor([[True, True, False, True]]), (8, 8), side=3)[0, 0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:4, 2:5] = expected[6:8, 6:8] = True
    assert torch.equal(mask, expected)


def test_training_masks_lie_in_the_brain_around_one_place():
    y, x = torch.meshgrid(torch.arange(120), torch.arange(120), indexing="ij")
    brain = ((y - 60) ** 2 + (x - 60) ** 2 < 50**2).expand(32, 1, -1, -1)
    mask = random_masks(brain, torch.Generator().manual_seed(0))
    assert not (mask & ~brain).any()
    shares = (mask.flatten(1).sum(1) / brain.flatten(1).sum(1)).tolist()
    assert 0.005 < min(shares) < 0.1  # one in three is narrow
    assert 0.2 < max(shares) < 0.6
    assert torch.equal(mask, random_masks(brain, torch.Generator().manual_seed(0)))


def test_a_slice_without_brain_has_an_empty_mask():
    assert not random_masks(torch.zeros(2, 1, 32, 32, dtype=torch.bool), torch.Generator().manual_seed(0)).any()


@pytest.mark.parametrize(("above", "expected"), [(0.2, 8), (0.5, 5), (0.25, 7), (0.0, 10), (1.0, -math.inf)])
def test_the_threshold_is_the_value_that_a_share_exceeds(above, expected):
    values = torch.randperm(10, generator=torch.Generator().manual_seed(0)) + 1.0
    assert upper_quantile(values, above) == expected
    assert (values > upper_quantile(values, above)).float().mean() <= above + 0.051


def test_the_first_mask_is_the_worst_part_of_each_brain():
    error = torch.arange(16.0).view(1, 1, 4, 4).repeat(2, 1, 1, 1)
    brain = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    brain[1, 0, 2:] = False
    mask = worst(error, brain, 0.5)
    assert mask[0].flatten().nonzero()[:, 0].tolist() == list(range(8, 16))
    assert mask[1].flatten().nonzero()[:, 0].tolist() == [4, 5, 6, 7]


def test_the_last_slices_are_held_out():
    learned, held_out = hold_out(make_slices(n=24), 0.1)
    assert [len(learned), len(held_out)] == [22, 2]
    assert [key.z for key in held_out.take([0, 1]).keys] == [6, 7]
    assert {batch.keys[0].subject_id for batch in (held_out[0], held_out[1])} == {"p2"}
    assert len(next(learned.batches(30, torch.Generator().manual_seed(0)))) == 30


class Remembers(nn.Module):
    """Rebuilds masked pixels as zeros, but those of one row only once the rest is in sight; counts its calls."""

    def __init__(self, stubborn):
        super().__init__()
        self.stubborn, self.masked = stubborn, []

    def forward(self, x):
        hidden = x[:, :1] != 0
        self.masked.append(int(hidden[0].sum()))
        return 2.0 * (hidden & (self.stubborn | (hidden.flatten(1).sum(1) > 8)[:, None, None, None]))


def passes(brain_rows, stubborn_rows, tau=0.5):
    brain = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    brain[..., :brain_rows, :] = True
    stubborn = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    stubborn[..., stubborn_rows, :] = True
    method = IterMask2(first_mask=1.0, residual="l2")
    networks = {"first": lambda x: torch.ones_like(x), "masked": Remembers(stubborn)}
    method.networks_, method.compute_, method.tau_ = networks, Compute(), tau
    return method, SliceBatch(torch.zeros(1, 1, 8, 8), brain, (SliceKey("p", 0),))


def test_the_mask_shrinks_until_what_cannot_be_rebuilt_is_left():
    method, batch = passes(brain_rows=1, stubborn_rows=[0])
    scores = method.score(batch)
    assert method.networks_["masked"].masked == [8]  # nothing could be unmasked, so the first pass is the last
    assert (scores[0, 0] == 4).all()
    assert scores[0, 1:].max() == 0


def test_a_healthy_slice_ends_without_a_mask_and_scores_nothing():
    method, batch = passes(brain_rows=1, stubborn_rows=[])
    assert method.score(batch).max() == 0
    assert method.networks_["masked"].masked == [8, 0]  # all was rebuilt; once more with everything in sight


def test_a_slice_without_brain_needs_no_pass():
    method, batch = passes(brain_rows=0, stubborn_rows=[])
    method.score(batch)
    assert method.networks_["masked"].masked == []


def test_tau_comes_from_slices_that_were_not_learned_from_and_is_kept(healthy, sick):
    train = healthy(("flair",), size=16)
    method = IterMask2(unet=TINY).fit(train, budget=Budget(4, 4), compute=Compute(seed=3))
    changed = make_slices(("flair",), size=16)
    changed.batch.image[-2:] *= 3  # the held-out ones
    other = IterMask2(unet=TINY).fit(changed, budget=Budget(4, 4), compute=Compute(seed=3))
    assert other.tau_ > 2 * method.tau_ > 0
    assert all(torch.equal(a, b) for k, a in method.state_dict().items() if "." in k for b in [other.state_dict()[k]])
    assert IterMask2(unet=TINY).load_state_dict(method.state_dict(), compute=Compute()).tau_ == method.tau_
