"""Implants lie in the brain, differ in sign, size and place, and depend on their slice alone."""

import numpy as np
import pytest
import torch

from uad_bench.data.implants import ImplantedSlices, implant
from uad_bench.method import SliceKey
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.voxel import average_precision
from uad_bench.testing.slices import healthy_slices

SLICES = healthy_slices(("flair", "t2"), patients=("A", "B"), size=(48, 48))


class Kept:
    """Slices in memory, with the part of a store that implants need."""

    def batch(self, keys, modalities=None):
        chosen = [SLICES.modalities.index(name) for name in modalities]
        batch = SLICES.take([SLICES.batch.keys.index(key) for key in keys])
        return type(batch)(batch.image[:, chosen], batch.brain_mask, batch.keys)


def made(seed):
    image, brain = SLICES.batch.image[2].numpy(), SLICES.batch.brain_mask[2, 0].numpy()
    return image, brain, *implant(image, brain, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_implants_change_only_brain_and_stay_within_the_intensities_of_the_slice(seed):
    image, brain, changed, mask = made(seed)
    assert mask.any()
    assert not (mask & ~brain).any()
    assert np.array_equal(changed[:, ~brain], image[:, ~brain])
    assert (changed.min(), changed.max()) == (image.min(), image.max())
    assert changed.dtype == np.float32


def test_what_was_changed_most_is_in_the_mask():
    scores, anomaly = [], []
    for seed in range(20):
        image, brain, changed, mask = made(seed)
        scores.append(np.abs(changed - image).max(axis=0)[brain])
        anomaly.append(mask[brain])
    found = average_precision(count_ranks_of(np.concatenate(scores), np.concatenate(anomaly)))
    assert found.value > 0.8


def test_implants_are_brighter_and_darker_small_and_large():
    shifts, areas = [], []
    for seed in range(40):
        image, _, changed, mask = made(seed)
        shifts.append((changed - image)[0][mask].mean())
        areas.append(mask.sum())
    assert min(shifts) < -0.3
    assert max(shifts) > 0.3
    assert max(areas) > 10 * min(areas)


def test_a_slice_without_brain_is_left_alone():
    image = np.ones((1, 8, 8), np.float32)
    changed, mask = implant(image, np.zeros((8, 8), bool), seed=0)
    assert np.array_equal(changed, image)
    assert not mask.any()


def test_the_implants_of_a_slice_do_not_depend_on_the_other_slices():
    keys = [SliceKey("A", 1), SliceKey("B", 3), SliceKey("A", 4)]
    together, alone = (ImplantedSlices.of(Kept(), chosen, ("t2",)) for chosen in (keys, keys[1:2]))
    assert torch.equal(together.batch(keys).image[1:2], alone.batch(keys[1:2]).image)
    assert not np.array_equal(together.masks[keys[0]], together.masks[keys[2]])
    assert together.by_patient == {"A": [keys[0], keys[2]], "B": [keys[1]]}


def test_a_method_that_writes_into_a_batch_does_not_change_the_slices():
    keys = [SliceKey("A", 1)]
    slices = ImplantedSlices.of(Kept(), keys, ("t2",))
    before = slices.batch(keys).image
    slices.batch(keys).image.zero_()
    assert torch.equal(slices.batch(keys).image, before)
