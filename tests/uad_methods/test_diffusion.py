"""Diffusion equations against their closed forms."""

import math

import pytest
import torch

from uad_methods.diffusion import (
    at,
    cosine_betas,
    cumulative_alphas,
    ddim_step,
    linear_betas,
    posterior,
    predict_eps,
    predict_x_0,
    q_sample,
    times,
)

ALPHA_BAR = cumulative_alphas(linear_betas())


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_linear_betas_are_the_published_line():
    betas = linear_betas()
    assert len(betas) == 1000
    assert (betas[0], betas[-1]) == pytest.approx((1e-4, 0.02))
    assert torch.allclose(betas.diff(), torch.full((999,), (0.02 - 1e-4) / 999, dtype=torch.float64))


def test_cosine_betas_give_the_published_alpha_bar():
    f = torch.cos((torch.arange(1, 991, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
    f_0 = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert torch.allclose(cumulative_alphas(cosine_betas())[:990], f / f_0)


def test_alpha_bar_is_the_product_of_alphas():
    assert ALPHA_BAR[2] == pytest.approx(float((1 - linear_betas()[:3]).prod()))


def test_noised_images_have_the_stated_mean_and_variance():
    alpha_bar_t = float(ALPHA_BAR[300])
    x_t = q_sample(torch.full((200_000,), 3.0, dtype=torch.float64), draw(200_000), alpha_bar_t)
    assert x_t.mean() == pytest.approx(3 * math.sqrt(alpha_bar_t), abs=0.01)
    assert x_t.var() == pytest.approx(1 - alpha_bar_t, rel=0.02)


def test_noising_step_by_step_equals_noising_at_once():
    variance = 0.0
    for beta in linear_betas()[:500]:
        variance = (1 - float(beta)) * variance + float(beta)
    assert variance == pytest.approx(1 - float(ALPHA_BAR[499]))


def test_image_and_noise_predict_each_other():
    x_0, eps = draw(2, 4, 4)
    x_t = q_sample(x_0, eps, 0.3)
    assert torch.allclose(predict_x_0(x_t, eps, 0.3), x_0)
    assert torch.allclose(predict_eps(x_t, x_0, 0.3), eps)


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_ddim_with_a_perfect_predictor_returns_the_image(steps):
    x_0, x_t = draw(2, 1, 4, 4)
    visited = times(1000, steps, spacing="trailing")
    for t, s in zip(visited, [*visited[1:], None], strict=True):
        x_t = x_0 if s is None else ddim_step(x_t, x_0, float(ALPHA_BAR[t]), float(ALPHA_BAR[s]))
    assert torch.equal(x_t, x_0)


def test_ddim_keeps_image_and_noise_apart():
    x_0, eps = draw(2, 4, 4)
    assert torch.allclose(ddim_step(q_sample(x_0, eps, 0.2), x_0, 0.2, 0.7), q_sample(x_0, eps, 0.7))


def test_posterior_is_bayes_rule():
    x_0, x_t, alpha_bar_t, alpha_bar_s = 0.7, -0.4, 0.2, 0.5
    ratio = alpha_bar_t / alpha_bar_s
    precision = ratio / (1 - ratio) + 1 / (1 - alpha_bar_s)
    expected = (math.sqrt(ratio) * x_t / (1 - ratio) + math.sqrt(alpha_bar_s) * x_0 / (1 - alpha_bar_s)) / precision
    mean, variance = posterior(torch.tensor(x_t), torch.tensor(x_0), alpha_bar_t, alpha_bar_s)
    assert mean == pytest.approx(expected)
    assert variance == pytest.approx(1 / precision)


def test_published_steps_are_every_tenth_down_to_zero():
    assert times(1000, 100, spacing="leading") == list(range(990, -1, -10))


@pytest.mark.parametrize("steps", [1, 3, 7, 1000])
def test_short_chains_start_in_pure_noise(steps):
    visited = times(1000, steps, spacing="trailing")
    assert visited[0] == 999
    assert len(set(visited)) == steps
    assert visited == sorted(visited, reverse=True)
    assert visited[-1] >= 0


def test_values_at_times_broadcast_over_images():
    assert at(ALPHA_BAR, torch.tensor([0, 999])).shape == (2, 1, 1, 1)
    assert at(ALPHA_BAR, torch.tensor([999])).item() == pytest.approx(float(ALPHA_BAR[-1]))
