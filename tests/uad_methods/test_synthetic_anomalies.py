"""The methods that learn from synthetic anomalies: what they make, what they are told, and how they score."""

import dataclasses

import pytest
import torch
from torch import nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_bench.seeding import generator
from uad_bench.training import Optimisation
from uad_methods import disyre, reflect
from uad_methods.disyre import STRENGTHS, Disyre
from uad_methods.fpi import FPI
from uad_methods.nn.unet import UNetShape
from uad_methods.pii import PII
from uad_methods.reflect import Reflect
from uad_methods.supervised_unet import SupervisedUNet
from uad_methods.synthetic_unet import SyntheticUNet

N, SIZE = 64, 32
SMALL = UNetShape(width=16, multipliers=(1, 2), blocks=1, groups=4)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def slices():
    """Slices of many patients with a brain in the middle; every pixel differs from every other slice's."""
    image = torch.randn(N, 1, SIZE, SIZE, generator=draw(7))
    brain = torch.zeros_like(image, dtype=torch.bool)
    brain[..., 6:26, 6:26] = True
    return SliceBatch(image, brain, tuple(SliceKey(f"p{i}", 0) for i in range(N)))


class Answers(nn.Module):
    """A network that answers by a function of slice and time, and notes the times."""

    def __init__(self, function):
        super().__init__()
        self.function, self.times = function, []

    def forward(self, x, t):
        self.times.append(int(t[0]))
        return self.function(x)


def trained(method, function):
    network = Answers(function)
    method.compute_ = Compute()
    method.networks_ = dict.fromkeys(("restorer", "velocity"), network)
    return method, network


def test_the_label_of_a_foreign_patch_is_its_share(slices):
    mixed, y = FPI().examples(slices, draw())
    other = slices.image.roll(-1, 0)  # the next patient at the same height
    share = (mixed - slices.image) / (other - slices.image)
    assert torch.allclose(share[y > 0], y[y > 0], atol=1e-3)
    assert torch.equal(mixed[y == 0], slices.image[y == 0])
    assert 0.05 <= y[y > 0].min() < 0.15
    assert 0.85 < y.max() <= 0.95


def test_foreign_patches_are_squares_of_the_published_sizes_about_the_middle(slices):
    _, y = FPI().examples(slices, draw())
    widths = (y > 0).any(dim=2).sum(dim=2).flatten()
    assert torch.equal(widths, (y > 0).any(dim=3).sum(dim=2).flatten())
    assert set(widths.tolist()) <= {4, 6, 8, 10, 12}  # twice 0.05 to 0.2 of 32 pixels
    assert len(set(widths.tolist())) == 5


def test_poisson_patches_stay_within_the_slice_and_are_labelled_where_they_show(slices):
    mixed, y = PII(tolerance=1e-3).examples(slices, draw())
    assert mixed.amax(dim=(2, 3)).le(slices.image.amax(dim=(2, 3))).all()
    assert torch.equal((mixed - slices.image).abs() > 1e-3, y > 0)


def test_made_lesions_are_labelled_by_sign_and_are_brighter_as_often_as_darker(slices):
    flat = dataclasses.replace(slices, image=torch.zeros_like(slices.image))
    x, y = SyntheticUNet(softness=0.0, healthy=0.0, anomalies=1, strength=(1.0, 2.0)).examples(flat, draw())
    assert torch.equal(x != 0, y.any(dim=1, keepdim=True))
    assert not y[~slices.brain_mask.expand_as(y)].any()
    brighter, darker = ((x * side).sum() / side.sum() for side in y.split(1, dim=1))
    assert (float(brighter), float(darker)) == (pytest.approx(1.5, abs=0.1), pytest.approx(-1.5, abs=0.1))
    assert 0.3 < y[:, 0].flatten(1).any(dim=1).float().mean() < 0.7


@pytest.mark.parametrize(("modality", "expected"), [("flair", -1.0), ("t2", -1.0), ("t1", 2.0)])
def test_only_brighter_anomalies_are_scored_where_lesions_are_bright(slices, modality, expected):
    method = SyntheticUNet(source=modality)
    method.logits = lambda batch: torch.tensor([-1.0, 2.0])[:, None, None].expand(len(batch), 2, SIZE, SIZE)
    assert (method.score(slices) == expected).all()
    method.sign = "both"
    assert (method.score(slices) == 2).all()


def test_an_untrained_segmenter_takes_a_twentieth_for_anomalous():
    for method, share in ((FPI(), 0.05), (SyntheticUNet(), 0.05), (SupervisedUNet(), 0.5)):
        logit = method.build((8, 8))["segmenter"](torch.randn(1, 1, 8, 8, generator=draw()))
        assert torch.allclose(logit.sigmoid(), torch.full_like(logit, share))


def test_a_share_of_slices_stays_healthy(slices):
    x, y = SyntheticUNet(healthy=1.0).examples(slices, draw())
    assert torch.equal(x, slices.image)
    assert not y.any()
    _, some = SyntheticUNet(healthy=0.5).examples(slices, draw())
    assert 0.3 < some.flatten(1).any(dim=1).float().mean() < 0.7


def test_the_strengths_of_disyre_fall_from_one_to_nothing_as_published():
    assert STRENGTHS[0] == pytest.approx(0.999**0.5)
    assert STRENGTHS[1] == pytest.approx((0.999 * (1 - 1e-3 - 0.199 / 99)) ** 0.5)
    assert STRENGTHS[-1] < 0.01
    assert (STRENGTHS.diff() < 0).all()


def with_levels(method):
    method.compute_, method.levels_ = Compute(), torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    return method


def test_disyre_changes_the_brain_only_and_keeps_to_its_limits(slices):
    inside = dataclasses.replace(slices, image=slices.image.clamp(-2, 2))
    x, strength = with_levels(Disyre(limits=(-2.0, 2.0))).corrupt(inside, draw())
    assert torch.equal(x[~slices.brain_mask], inside.image[~slices.brain_mask])
    assert x.abs().max() <= 2
    assert strength.min() >= 0
    assert strength.max() <= 1


def test_without_a_texture_the_strength_is_the_largest_change(slices, monkeypatch):
    monkeypatch.setattr(disyre, "match_range", lambda texture, image, shape: image)
    x, strength = with_levels(Disyre(span=6.0)).corrupt(slices, draw())
    change = (x - slices.image).flatten(1)
    assert torch.allclose(strength, change.abs().amax(dim=1) / 6, atol=1e-6)
    assert 0.3 < (change.sum(dim=1) > 0).float().mean() < 0.7


def test_disyre_learns_at_the_time_whose_strength_is_the_anomalys(slices, monkeypatch):
    method, network = trained(Disyre(), lambda x: x)
    monkeypatch.setattr(method, "corrupt", lambda batch, _: (batch.image + 1, torch.full((N,), 0.5)))
    assert method._loss(slices, draw()) == pytest.approx(1)
    t = network.times[0]
    assert abs(STRENGTHS[t] - 0.5) == (STRENGTHS - 0.5).abs().min()


def test_disyre_scores_the_mean_over_four_strengths_times_the_share_of_brain(slices):
    method, network = trained(Disyre(residual="l1"), lambda x: x - 1)
    scores = method.score(slices)
    assert network.times == [t for t in (99, 74, 49, 24) for _ in range(N // 16)]
    assert torch.allclose(scores, slices.brain_mask[:, 0].float(), atol=1e-5)
    method.weighted = True
    assert method.score(slices).max() == pytest.approx(20 * 20 / SIZE**2, rel=1e-4)


@pytest.mark.parametrize("steps", [1, 5])
def test_the_flow_of_reflect_ends_where_its_velocity_leads(slices, steps):
    method, network = trained(Reflect(steps=steps, residual="l1"), lambda x: torch.full_like(x, -2.0))
    assert torch.allclose(method.score(slices), torch.full((N, SIZE, SIZE), 2.0), atol=1e-5)
    assert sorted(set(network.times)) == [1000 * k // steps for k in range(steps)]
    method.limit = 0.5
    assert method.score(slices).max() == 0.5


def test_objects_of_reflect_are_as_many_as_published():
    counts = Reflect()._count(20_000, draw()).flatten()
    shares = torch.bincount(counts.long()) / len(counts)
    expected = torch.cat([torch.tensor([0.1]), 0.9 * torch.tensor([12, 6, 4, 3]) / 25])
    assert torch.allclose(shares, expected, atol=0.01)


def test_an_object_of_reflect_hides_a_share_of_the_slice_and_leaves_the_rest(slices, monkeypatch):
    monkeypatch.setattr(reflect, "UNTOUCHED", 0.0)
    method = Reflect(radii=(0.1, 0.2))
    method.healthy_ = 0.0, 0.0  # textures without contrast: only the slice's share is left
    z = method.corrupt(slices, draw())
    left = (z / slices.image)[z != slices.image]
    assert left.min() >= 0
    assert left.max() <= 0.8**0.5 + 1e-5
    assert torch.equal(z[~slices.brain_mask], slices.image[~slices.brain_mask])


def test_reflect_learns_the_straight_way_to_the_healthy_slice(slices, monkeypatch):
    method, _ = trained(Reflect(), lambda x: torch.full_like(x, -3.0))
    monkeypatch.setattr(method, "corrupt", lambda batch, _: batch.image + 3)
    assert method._loss(slices, draw()) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [SyntheticUNet, Reflect], ids=lambda cls: cls.__name__)
def test_what_is_like_no_synthetic_anomaly_scores_higher_too(cls, healthy, sick):
    method = cls(unet=SMALL, optimisation=Optimisation(learning_rate=5e-3, ema=0.9))
    method.fit(healthy(("flair",), size=16), budget=Budget(100, 8), compute=Compute(seed=0))
    batch, disk = sick(("flair",), size=16)
    scores = method.score(batch)
    scores = scores.sigmoid() if isinstance(method, SyntheticUNet) else scores
    assert scores[disk].mean() > 1.5 * scores[batch.brain_mask[:, 0] & ~disk].mean()


@pytest.mark.slow
def test_foreign_patches_are_found_in_slices_of_other_patients(healthy):
    method = FPI(unet=SMALL, optimisation=Optimisation(learning_rate=5e-3, ema=0.9))
    method.fit(healthy(("flair",), size=16), budget=Budget(100, 8), compute=Compute(seed=0))
    unseen = healthy(("flair",), size=16, seed=9).take(range(24))
    mixed, share = method.examples(unseen, generator(0, "patches"))
    scores = method.score(dataclasses.replace(unseen, image=mixed)).sigmoid()
    assert scores[share[:, 0] > 0].mean() > 1.5 * scores[share[:, 0] == 0].mean()
