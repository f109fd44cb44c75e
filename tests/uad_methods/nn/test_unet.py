"""The U-Net of guided diffusion."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from uad_methods.nn.unet import PUBLISHED, UNet, UNetShape, _attend

TINY = UNetShape(width=8, multipliers=(1, 2), blocks=1, attention=(2,), heads=2, groups=4)


def randomised(network):
    """Blocks start as identities; give every weight something to do."""
    torch.manual_seed(0)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    return network.eval()


@pytest.mark.parametrize(("channels", "parameters"), [(1, 6_599_969), (2, 6_600_257)])
def test_the_published_network_has_the_official_number_of_parameters(channels, parameters):
    network = UNet(channels, shape=PUBLISHED)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize("size", [(16, 16), (15, 18), (1, 7)])
def test_any_height_and_width_come_back(size):
    assert UNet(2, shape=TINY)(torch.zeros(3, 2, *size)).shape == (3, 1, *size)


def test_padding_leaves_slices_of_fitting_size_alone():
    network, x = randomised(UNet(1, shape=TINY)), torch.randn(1, 1, 15, 16)
    padded = torch.cat([x, x[:, :, -1:]], dim=2)
    assert torch.allclose(network(x), network(padded)[:, :, :15], atol=1e-6)


def test_an_untrained_network_answers_zero():
    assert not UNet(1, shape=TINY)(torch.randn(2, 1, 16, 16)).any()


@pytest.mark.parametrize("scale_shift", [True, False])
def test_time_matters_only_where_it_is_given(scale_shift):
    network, x = randomised(UNet(1, shape=replace(TINY, scale_shift=scale_shift))), torch.randn(2, 1, 16, 16)
    early, late = (network(x, torch.full((2,), t)) for t in (3, 900))
    assert not torch.allclose(early, late, atol=1e-3)
    assert not torch.allclose(network(x), early, atol=1e-3)


def test_attention_mixes_the_whole_slice():
    x = torch.zeros(1, 1, 32, 32)
    x.requires_grad_()
    randomised(UNet(1, shape=TINY))(x)[0, 0, 0, 0].backward()
    assert x.grad[0, 0, -1, -1] != 0


def test_slices_of_a_batch_do_not_meet():
    network, x = randomised(UNet(1, shape=TINY)), torch.randn(4, 1, 16, 16)
    assert torch.allclose(network(x)[2:3], network(x[2:3]), atol=1e-5)


@pytest.mark.parametrize("places", [16, 1025])
def test_attention_is_the_weighted_mean_of_the_values(places):
    q, k, v = torch.randn(3, 2, 2, places, 4, generator=torch.Generator().manual_seed(0))
    weights = torch.exp(q @ k.transpose(-1, -2) / 2)
    expected = weights @ v / weights.sum(dim=-1, keepdim=True)
    assert torch.allclose(_attend(q, k, v), expected, atol=1e-5)


def test_without_groups_batches_are_normalised_with_as_many_parameters():
    by_groups, by_batches = (randomised(UNet(1, shape=replace(TINY, groups=groups))) for groups in (4, 0))
    assert [w.shape for w in by_groups.parameters()] == [w.shape for w in by_batches.parameters()]
    x = torch.randn(4, 1, 16, 16)
    assert torch.allclose(by_batches(x)[2:3], by_batches(x[2:3]), atol=1e-5)
    by_batches.train()
    assert not torch.allclose(by_batches(x)[2:3], by_batches(x[2:3]), atol=1e-2)
