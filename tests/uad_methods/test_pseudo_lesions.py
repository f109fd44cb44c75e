"""Foreign patches: what is changed, and that a level is chosen by them."""

import torch

from uad_bench.method import SliceBatch, SliceKey
from uad_methods.pseudo_lesions import SHARE, foreign_patches


def batch_of(images, brain):
    keys = tuple(SliceKey("p", z) for z in range(len(images)))
    return SliceBatch(images, brain.expand(len(images), 1, *brain.shape[-2:]), keys)


def test_a_patch_blends_the_slice_before_inside_the_brain_and_nowhere_else():
    brain = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    brain[..., 8:24, 8:24] = True
    images = torch.zeros(2, 1, 32, 32)
    images[1] = 1
    pasted, changed = foreign_patches(batch_of(images, brain), torch.Generator().manual_seed(0))
    difference = (pasted.image - images).abs()[:, 0]
    assert torch.equal(difference > 0, changed)
    assert changed.flatten(1).any(dim=1).all()
    assert not changed[~brain[:, 0].expand_as(changed)].any()
    assert SHARE[0] <= difference[changed].min() <= difference[changed].max() <= SHARE[1]


def test_a_slice_without_brain_stays_as_it_is():
    images = torch.randn(2, 1, 16, 16)
    nothing = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    pasted, changed = foreign_patches(batch_of(images, nothing), torch.Generator().manual_seed(0))
    assert torch.equal(pasted.image, images)
    assert not changed.any()
