"""Networks see slices of about unit spread, whatever the task's scaling; scores stay in the task's units."""

import dataclasses

import pytest
import torch

from tests.uad_methods.conftest import Slices
from uad_bench.method import Budget, Compute, SliceBatch
from uad_methods.dae import DAE
from uad_methods.mmccd import MMCCD
from uad_methods.nn.unet import UNetShape
from uad_methods.supervised_unet import SupervisedUNet
from uad_methods.units import SAMPLE, Units, spread_out

TINY = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)


def slices(means, deviations, n=12):
    """Slices whose brain, the left half, has these means and standard deviations; 99 outside."""
    noise = torch.randn((n, len(means), 16, 16), generator=torch.Generator().manual_seed(0))
    image = torch.tensor(means)[:, None, None] + torch.tensor(deviations)[:, None, None] * noise
    brain = torch.arange(16).expand(n, 1, 16, 16) < 8
    keys = tuple((f"p{i}", i) for i in range(n))
    return Slices(SliceBatch(torch.where(brain, image, 99.0), brain, keys), tuple("xy"[: len(means)]))


def test_a_spread_far_from_one_is_measured_inside_the_brain():
    units = Units.of(slices([0.5, -7.0], [0.1, 30.0]).batch)
    assert units.shift.tolist() == pytest.approx([0.5, -7.0], abs=2)
    assert units.spread.tolist() == pytest.approx([0.1, 30.0], rel=0.1)


def test_a_spread_near_one_and_a_constant_channel_are_left_alone_to_the_bit():
    given = slices([1.0, 4.0], [1.5, 0.0])
    units = Units.of(given.batch)
    assert torch.equal(units.enter(given.batch.image), given.batch.image)
    assert torch.equal(units.leave(given.batch.image[:, 1:], 1), given.batch.image[:, 1:])


def test_what_enters_comes_back_and_fewer_channels_may_enter():
    given = slices([0.5, -7.0], [0.1, 30.0])
    units = Units.of(given.batch)
    inside = units.enter(given.batch.image[:, :1])
    assert inside[given.batch.brain_mask].std().item() == pytest.approx(1, abs=0.01)
    assert torch.allclose(units.leave(inside), given.batch.image[:, :1], atol=1e-4)


@pytest.mark.parametrize(("n", "measured"), [(12, 12), (SAMPLE, SAMPLE), (2 * SAMPLE + 1, SAMPLE + 1)])
def test_many_slices_are_measured_but_not_all(n, measured):
    assert len(spread_out(slices([0.0], [1.0], n=n))) == measured


@pytest.mark.parametrize("cls", [DAE, MMCCD])
def test_scores_do_not_depend_on_the_units_of_the_task_but_for_their_size(cls, healthy, sick):
    """An eighth of the brightness, shifted: an eighth of the scores."""

    def scored(change):
        method = cls(unet=TINY)
        train = healthy(method.modalities.fit, size=16)
        train = Slices(dataclasses.replace(train.batch, image=change(train.batch.image)), train.modalities)
        method.fit(train, budget=Budget(6, 4), compute=Compute(seed=3, mixed_precision=False))
        batch = sick(size=16)[0]
        return method.score(dataclasses.replace(batch, image=change(batch.image)))

    assert torch.allclose(8 * scored(lambda x: x / 8 + 5), scored(lambda x: x), atol=2e-3)


def test_units_are_kept_with_the_weights_and_older_weights_have_none(healthy, sick):
    method = DAE(unet=TINY).fit(healthy(("flair",)), budget=Budget(2, 4), compute=Compute())
    state = method.state_dict()
    assert state["units"].shape == (2, 1)
    restored = DAE(unet=TINY).load_state_dict(state, compute=Compute())
    assert torch.equal(restored.score(sick()[0]), method.score(sick()[0]))
    del state["units"]
    assert DAE(unet=TINY).load_state_dict(state, compute=Compute()).units_.spread.tolist() == [1]


def test_published_slices_are_taken_as_they_come(healthy):
    method = DAE(unet=TINY, rescale="never").fit(healthy(("flair",)), budget=Budget(1, 4), compute=Compute())
    assert method.units_.spread.tolist() == [1]


def test_masks_of_lesions_stay_zero_and_one(healthy):
    method, given = SupervisedUNet(unet=TINY), healthy(("flair", "t2"))
    masked = given.batch.image.clone()
    masked[:, 1] = masked[:, 1] > 0.9
    batch = dataclasses.replace(given.batch, image=masked)
    method.start(Slices(batch, given.modalities), Compute())
    assert torch.equal(method._entered(batch).image, masked)
