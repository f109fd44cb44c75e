"""The unified auto-encoder."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from uad_methods.nn.autoencoder import AutoEncoder, Code


@pytest.mark.parametrize(("size", "widths"), [(32, [32, 64]), (64, [32, 64, 128]), (128, [32, 64, 128, 128])])
def test_halvings_double_the_channels_down_to_a_grid_of_eight(size, widths):
    network = AutoEncoder(1, (size, size), latent=16, dropout=0.0)
    found = [part.out_channels for part in network.encoder if getattr(part, "stride", None) == (2, 2)]
    assert found == widths
    assert network.mean.in_features == widths[-1] // 8 * 8 * 8


def test_the_reconstruction_has_the_shape_of_the_slice():
    network = AutoEncoder(2, (32, 64), latent=16, dropout=0.1)
    assert network(torch.zeros(3, 2, 32, 64)).shape == (3, 2, 32, 64)


def test_the_divergence_is_that_of_two_normals():
    mean, log_std = torch.randn(2, 5, 7)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(Code(mean, log_std).divergence(), expected, atol=1e-5)


def test_codes_are_drawn_with_the_predicted_spread():
    code = Code(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), 0.5).log())
    drawn = code.sample(torch.Generator().manual_seed(0))
    assert drawn.mean() == pytest.approx(2.0, abs=0.02)
    assert drawn.std() == pytest.approx(0.5, abs=0.02)
