"""Stripe masks."""

import pytest
import torch

from uad_methods.stripes import random_stripes, stripe_masks


def test_published_stripes_hide_each_voxel_sixteen_times():
    masks = stripe_masks((128, 128), width=16, stride=2)
    assert masks.shape == (128, 1, 128, 128)
    covered = masks.sum(dim=0)[0]
    assert (covered[14:, 14:] == 16).all()
    low = torch.arange(1, 9).repeat_interleave(2)  # 8 stripes reach a voxel only from the fourteenth row or column on
    assert torch.equal(covered[64, :16], 8 + low)
    assert torch.equal(covered[:16, 64], 8 + low)


def test_columns_come_first_and_start_at_even_pixels():
    masks = stripe_masks((128, 128), width=16, stride=2)
    assert masks[3, 0, :, 6:22].all()
    assert masks[3].sum() == 16 * 128
    assert masks[64 + 3, 0, 6:22].all()


def test_stripes_are_cut_at_the_high_border():
    assert stripe_masks((128, 128), width=16, stride=2)[63].sum() == 2 * 128


@pytest.mark.parametrize("size", [(64, 64), (96, 96), (32, 64), (100, 80), (256, 256)])
@pytest.mark.parametrize("stride", [2, 8, 16])
def test_every_voxel_is_hidden_both_ways_at_any_size(size, stride):
    masks = stripe_masks(size, width=16, stride=stride)
    assert len(masks) == 2 * 128 // stride
    columns, rows = masks.sum(dim=0), masks[len(masks) // 2 :].sum(dim=0)
    assert (rows >= 1).all()
    assert (columns - rows >= 1).all()


def test_stripes_scale_with_the_slice():
    masks = stripe_masks((64, 64), width=16, stride=8)
    assert masks[1, 0, 0].nonzero().flatten().tolist() == list(range(4, 12))


def test_random_stripes_are_published_stripes_of_both_directions():
    drawn = random_stripes(200, (64, 64), width=16, generator=torch.Generator().manual_seed(0))
    known = {tuple(mask.flatten().tolist()) for mask in stripe_masks((64, 64), width=16, stride=2)}
    assert {tuple(mask.flatten().tolist()) for mask in drawn} <= known
    vertical = drawn[:, 0].all(dim=1).any(dim=1)
    assert 70 < vertical.sum() < 130


def test_stripes_that_share_a_mask_are_far_apart_and_hide_what_they_hide_alone():
    alone = stripe_masks((128, 128), width=8, stride=8)
    shared = stripe_masks((128, 128), width=8, stride=8, per_mask=4)
    assert len(shared) == 8
    assert torch.equal(shared.sum(dim=0), alone.sum(dim=0))
    first = shared[0, 0, 0]  # the first row of the first mask of columns
    assert first.nonzero().flatten().tolist() == [start + i for start in (0, 32, 64, 96) for i in range(8)]
