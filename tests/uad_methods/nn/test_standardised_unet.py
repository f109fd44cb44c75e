"""The denoising auto-encoder's own network has the size and the parts that its authors' code has."""

import pytest
import torch

from uad_methods.dae import DAE
from uad_methods.nn.standardised_unet import StandardisedConv2d, StandardisedShape, StandardisedUNet, _block

TINY = StandardisedShape(width=8, levels=3)


def test_the_published_network_has_the_parameters_of_the_source():
    network = DAE(standardised=StandardisedShape()).build((128, 128))["denoiser"]
    assert sum(weights.numel() for weights in network.parameters()) == 7_701_825  # theirs, with one channel


def test_convolutions_see_neither_the_mean_nor_the_size_of_their_weights():
    convolution, x = StandardisedConv2d(2, 3, 3), torch.randn(1, 2, 8, 8)
    before = convolution(x)
    convolution.weight.data = 5 * convolution.weight.data + 7
    assert torch.allclose(convolution(x), before, atol=1e-3)


def test_a_standardised_kernel_of_two_weights_is_plus_and_minus_the_root_of_a_half():
    convolution = StandardisedConv2d(1, 1, (1, 2), bias=False)
    convolution.weight.data[:] = torch.tensor([1.0, 9.0])
    assert convolution(torch.tensor([[[[0.0, 1.0]]]])).item() == pytest.approx(0.5**0.5, abs=1e-4)


def test_the_border_is_reflected_so_that_a_plain_image_stays_plain():
    y = _block(1, 8)[0](torch.full((1, 1, 6, 6), 3.0))
    assert torch.allclose(y, y[..., :1, :1].expand_as(y))


def test_a_block_ends_with_group_normalisation_of_the_upper_median_of_divisors():
    parts = [type(part).__name__ for part in _block(1, 8)]
    assert parts == ["StandardisedConv2d", "SiLU", "GroupNorm"] * 2
    assert [_block(1, channels)[2].num_groups for channels in (64, 128, 256, 512)] == [8, 16, 16, 32]


def test_any_size_comes_back_and_the_same_as_filled_up_by_its_border():
    network, x = StandardisedUNet(1, shape=TINY), torch.randn(1, 1, 18, 23)
    filled = torch.nn.functional.pad(x, (0, 1, 0, 2), mode="replicate")
    assert torch.equal(network(x), network(filled)[..., :18, :23])
