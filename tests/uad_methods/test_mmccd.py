"""MMCCD: what is hidden, what is scored, how often networks are called."""

import pytest
import torch
from torch import nn

from uad_bench.method import Compute, SliceBatch, SliceKey
from uad_methods.mmccd import MMCCD


class Forward(nn.Module):
    """Stands for the diffusion model: answers with a function of (y_t, condition, t) and keeps what it was asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.asked = answer, []

    def forward(self, x, t):
        self.asked.append((x, t))
        return self.answer(x[:, :1], x[:, 1:])


def method_with(forward, backward, **params):
    method = MMCCD(**{"stripes_per_pass": 1, "residual": "l2", **params})
    method.networks_, method.compute_ = {"forward": forward, "backward": backward}, Compute(seed=1)
    return method


def slices(*images):
    image = torch.stack(images)[:, None]
    return SliceBatch(
        image, torch.ones_like(image, dtype=torch.bool), tuple(SliceKey("p", z) for z in range(len(image)))
    )


def test_a_perfect_cycle_scores_zero():
    x = torch.arange(256.0).view(16, 16)
    method = method_with(Forward(lambda _, condition: x.expand_as(condition)), nn.Identity())
    assert not method.score(slices(x)).any()


def test_only_hidden_voxels_are_scored():
    """A forward model that copies its condition is right where it sees and noisy where it does not."""
    x = torch.full((16, 16), 5.0)
    method = method_with(Forward(lambda _, condition: condition), nn.Identity(), stripe_width=16, stripe_stride=16)
    scores = method.score(slices(x))
    assert scores.min() > 0
    assert scores.mean() == pytest.approx(26, rel=0.1)  # E (noise - 5)^2


def test_the_score_averages_the_squared_error_over_the_stripes_that_hide():
    x = torch.zeros(32, 32)
    answers = iter(range(1, 100))

    def count(y_t, _):
        return torch.stack([torch.full_like(one, next(answers)) for one in y_t])

    method = method_with(Forward(count), nn.Identity(), stripe_width=64, stripe_stride=64)
    scores = method.score(slices(x))[0]
    columns, rows = (1, 2), (3, 4)  # answers to the left, right, upper and lower stripe
    assert scores[0, 0] == (columns[0] ** 2 + rows[0] ** 2) / 2
    assert scores[0, 31] == (columns[1] ** 2 + rows[0] ** 2) / 2
    assert scores[31, 0] == (columns[0] ** 2 + rows[1] ** 2) / 2


def test_brighter_than_imagined_counts_and_darker_does_not():
    x = torch.tensor([3.0, -2.0]).repeat(32, 16)
    dark = Forward(lambda _, condition: torch.zeros_like(condition))
    scores = method_with(dark, nn.Identity(), residual="auto").score(slices(x))[0]
    assert torch.equal(scores, x.clamp(min=0))


def test_the_condition_shows_the_slice_outside_the_stripe_and_fresh_noise_inside():
    x = torch.full((16, 16), 7.0)
    forward = Forward(lambda y_t, _: y_t)
    method_with(forward, nn.Identity(), stripe_width=16, stripe_stride=64, steps=2).score(slices(x))
    first, second = (asked[0, 1] for asked, _ in forward.asked)
    hidden = torch.zeros(16, 16, dtype=torch.bool)
    hidden[:, :2] = True
    for condition in (first, second):
        assert torch.equal(condition != 7, hidden)
    assert not torch.equal(first, second)


def test_stripes_of_a_slice_start_from_one_noise():
    forward = Forward(lambda y_t, _: y_t)
    method_with(forward, nn.Identity(), stripe_stride=64).score(slices(torch.zeros(16, 16), torch.zeros(16, 16)))
    starts = forward.asked[0][0][:8, 0]
    assert all(torch.equal(starts[0], starts[i]) for i in (1, 2, 3))
    assert not torch.equal(starts[0], starts[4])


def test_published_settings_call_the_networks_as_often_as_the_source():
    published = MMCCD(stripe_stride=2, stripes_per_pass=1, steps=100, spacing="leading")
    assert published.network_calls_per_slice == 128 * 100 + 128


@pytest.mark.parametrize(("stride", "together"), [(16, 1), (4, 4)])
def test_the_stated_number_of_calls_is_made(stride, together):
    forward = Forward(lambda y_t, _: y_t)
    method = method_with(forward, nn.Identity(), stripe_stride=stride, stripes_per_pass=together, steps=3)
    batch = slices(torch.zeros(16, 16))
    method.score(batch)
    calls = sum(len(x) for x, _ in forward.asked)
    assert calls + calls / 3 == method.network_calls_per_slice
    assert [int(t[0]) for _, t in forward.asked] == [999, 666, 332]


def losing(x_error, **params):
    """Loss of a forward model that is wrong by `x_error(hidden)` where the condition is noise instead of 5."""
    x, y = torch.full((4, 1, 32, 32), 5.0), torch.zeros(4, 1, 32, 32)
    method = method_with(Forward(lambda _, condition: x_error((condition != 5).float())), nn.Identity(), **params)
    batch = SliceBatch(torch.cat([x, y], dim=1), x > 0, tuple(SliceKey("p", z) for z in range(4)))
    return method, method._diffusion_loss(batch, torch.Generator().manual_seed(0)).item()


def test_published_training_weighs_hidden_and_visible_pixels_alike():
    method, loss = losing(lambda hidden: hidden, hidden_weight=0.0)
    share = (method.networks_["forward"].asked[0][0][:, 1:] != 5).float().mean().item()
    assert loss == pytest.approx(share)


def test_hidden_pixels_weigh_more_when_asked():
    method, loss = losing(lambda hidden: hidden, hidden_weight=4.0)
    share = (method.networks_["forward"].asked[0][0][:, 1:] != 5).float().mean().item()
    assert loss == pytest.approx(5 * share / (1 + 4 * share))


def test_training_can_draw_the_times_that_scoring_visits_and_no_other():
    method = MMCCD(train_times="visited", steps=2)
    assert set(method._draw_times(64, torch.Generator().manual_seed(0)).tolist()) == {999, 499}
    every = MMCCD()._draw_times(64, torch.Generator().manual_seed(0))
    assert len(set(every.tolist())) > 50
