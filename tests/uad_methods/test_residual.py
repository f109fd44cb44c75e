"""Residual maps."""

import pytest
import torch

from uad_methods.residual import RESIDUALS, residual_map

X = torch.tensor([[[[1.0, -2.0]]]])
X_HAT = torch.tensor([[[[3.0, -5.0]]]])


@pytest.mark.parametrize(("kind", "expected"), [("l1", [2.0, 3.0]), ("l2", [4.0, 9.0]), ("positive", [0.0, 3.0])])
def test_residuals_of_a_hand_case(kind, expected):
    assert residual_map(X, X_HAT, kind=kind)[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("modality", "expected"), [("flair", [0.0, 3.0]), ("t2", [0.0, 3.0]), ("t1", [2.0, 3.0]), (None, [2.0, 3.0])]
)
def test_only_where_lesions_are_known_to_be_bright_darker_counts_nothing(modality, expected):
    assert residual_map(X, X_HAT, kind="auto", modality=modality)[0, 0].tolist() == expected


@pytest.mark.parametrize("kind", sorted(RESIDUALS))
def test_a_perfect_reconstruction_scores_zero(kind):
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert residual_map(x, x.clone(), kind=kind).abs().max() < 1e-5


def test_channels_are_averaged():
    x = torch.zeros(1, 2, 1, 1)
    assert residual_map(x, torch.tensor([[[[1.0]], [[3.0]]]]), kind="l2").item() == 5.0


def test_opposite_structure_is_most_dissimilar():
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    score = residual_map(50 + x, 50 - x, kind="ssim")
    assert score.mean() > 0.9
    assert score.max() <= 1 + 1e-3


def test_a_flat_patch_follows_the_formula():
    x, x_hat = torch.full((1, 1, 9, 9), 0.5), torch.full((1, 1, 9, 9), 0.25)
    luminance = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert residual_map(x, x_hat, kind="ssim")[0, 4, 4] == pytest.approx((1 - luminance) / 2, abs=1e-4)
