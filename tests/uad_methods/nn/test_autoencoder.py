"""The unified auto-encoder."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from uad_methods.nn.autoencoder import AutoEncoder, Code


@pytest.mark.parametrize(("size", "widths"), [(32, [32, 64]), (64, [32, 64, 128]), (128, [32, 64, 128, 128])])
def test_halvings_double_the_channels_down_to_a_grid_of_eight(size, widths):
    network = AutoEncoder(1, (size, size), latent=16, dropout=0.0)
    found = [part.out_channels for part in network.encoder if getattr(part, "stride", None) == (2, 2)]
    assert found == widths
    assert network.mean.in_features == widths[-1] // 8 * 8 * 8


@pytest.mark.parametrize(("size", "widths"), [(32, [128, 64]), (64, [128, 64, 32]), (128, [128, 64, 32, 32])])
def test_the_way_back_begins_wide_and_normalised_and_halves_the_channels(size, widths):
    network = AutoEncoder(1, (size, size), latent=16, dropout=0.0)
    parts = list(network.decoder)
    assert [part.out_channels for part in parts if isinstance(part, nn.ConvTranspose2d)] == widths
    first = next(i for i, part in enumerate(parts) if isinstance(part, nn.ConvTranspose2d))
    assert [type(part) for part in parts[first - 2 : first]] == [nn.BatchNorm2d, nn.ReLU]
    assert {part.negative_slope for part in network.modules() if isinstance(part, nn.LeakyReLU)} == {0.3}


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_zeroes_the_code_and_where_variational_all_of_the_bottleneck(variational):
    network = AutoEncoder(1, (32, 32), latent=512, dropout=0.5, variational=variational).train()
    code, whole = network.encode(torch.randn(4, 1, 32, 32)), network.decoder[1]
    assert (code.mean == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert not variational or (code.log_std == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (whole(torch.ones(5000)) == 0).float().mean() == pytest.approx(0.5 if variational else 0.0, abs=0.05)


def test_the_reconstruction_has_the_shape_of_the_slice():
    network = AutoEncoder(2, (32, 64), latent=16, dropout=0.1)
    assert network(torch.zeros(3, 2, 32, 64)).shape == (3, 2, 32, 64)


def test_the_divergence_is_that_of_two_normals():
    mean, log_std = torch.randn(2, 5, 7)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(Code(mean, log_std).divergence(), expected, atol=1e-5)


def test_codes_are_drawn_with_the_predicted_spread():
    network = AutoEncoder(1, (16, 16), latent=3, dropout=0.0, variational=True).eval()
    x, eps = torch.randn(2, 1, 16, 16), torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 3.0]])
    drawn, mean, log_std = network(x, eps)
    assert torch.allclose(drawn, network.decode(mean + eps * log_std.exp()), rtol=1e-5, atol=1e-5)
    assert torch.allclose(drawn[:1], network(x)[:1], rtol=1e-5, atol=1e-5)  # without noise the most likely code
