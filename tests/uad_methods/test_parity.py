"""The equations of diffusion against MONAI's schedulers, on random images, where MONAI is installed.

To run it: `pip install --no-deps monai` into an environment of its own that sees this project's packages.
"""

import warnings

import pytest
import torch

from uad_methods.ddpm import DDPM
from uad_methods.diffusion import (
    cosine_betas,
    cumulative_alphas,
    ddim_step,
    linear_betas,
    posterior,
    predict_x_0,
    q_sample,
    times,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's business
    monai = pytest.importorskip("monai.networks.schedulers", reason="MONAI, the peer, is not installed")

T, STEPS = 1000, 10
BETAS = {"linear_beta": linear_betas(T), "cosine": cosine_betas(T)}
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def peer(kind, schedule="linear_beta", **options):
    """A scheduler that computes in float64, as ours does; its own tables are float32."""
    scheduler = kind(T, schedule=schedule, clip_sample=False, **options)
    scheduler.betas, scheduler.alphas = BETAS[schedule], 1 - BETAS[schedule]
    scheduler.alphas_cumprod = cumulative_alphas(BETAS[schedule])
    return scheduler


def image(seed):
    return torch.randn(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def believed_noise(x_t, t):
    """What a network might say."""
    return torch.sin(3 * x_t + t / 100)


@pytest.mark.parametrize("schedule", BETAS)
def test_schedules_are_those_of_the_peer_within_its_precision(schedule):
    theirs = monai.DDPMScheduler(T, schedule=schedule)
    torch.testing.assert_close(theirs.betas.double(), BETAS[schedule], rtol=2e-4, atol=1e-6)  # theirs: 1 - a float32
    torch.testing.assert_close(theirs.alphas_cumprod.double(), cumulative_alphas(BETAS[schedule]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", BETAS)
def test_a_noised_image_is_the_peers(schedule):
    t, alpha_bar = torch.tensor([3, 870]), cumulative_alphas(BETAS[schedule])
    theirs = peer(monai.DDPMScheduler, schedule).add_noise(image(0), image(1), t)
    torch.testing.assert_close(q_sample(image(0), image(1), alpha_bar[t][:, None, None, None]), theirs, **EXACT)


@pytest.mark.parametrize("schedule", BETAS)
def test_a_chain_of_ddim_ends_where_the_peers_does(schedule):
    theirs = peer(monai.DDIMScheduler, schedule)
    theirs.set_timesteps(STEPS)
    alpha_bar, visited = cumulative_alphas(BETAS[schedule]), times(T, STEPS, spacing="leading")
    ours = chain = image(2)
    for t, s in zip(visited, [*visited[1:], None], strict=True):
        chain, _ = theirs.step(believed_noise(chain, t), t, chain)
        x_0 = predict_x_0(ours, believed_noise(ours, t), float(alpha_bar[t]))
        ours = ddim_step(ours, x_0, float(alpha_bar[t]), 1.0 if s is None else float(alpha_bar[s]))
    torch.testing.assert_close(ours, chain, **EXACT)


@pytest.mark.parametrize("t", [1, 400, 999])
def test_the_posterior_has_the_peers_mean_and_variance(t):
    theirs, alpha_bar = peer(monai.DDPMScheduler), cumulative_alphas(BETAS["linear_beta"])
    mean, variance = posterior(image(3), image(4), float(alpha_bar[t]), float(alpha_bar[t - 1]))
    torch.testing.assert_close(mean, theirs._get_mean(t, image(4), image(3)), **EXACT)
    assert variance == pytest.approx(float(theirs._get_variance(t)), rel=1e-10)


@pytest.mark.parametrize("t", [1, 199, 999])
def test_an_ancestral_step_is_the_peers_with_its_larger_variance(t, monkeypatch):
    theirs = peer(monai.DDPMScheduler, variance_type="fixed_large", prediction_type="sample")
    x_t, x_0 = image(5), image(6)
    expected, _ = theirs.step(x_0, t, x_t, generator=torch.Generator().manual_seed(7))
    monkeypatch.setattr(DDPM, "draw_slice_noise", lambda *_: image(7))
    ours = DDPM(sampler="ancestral")._step(x_t, x_0, t, t - 1, keys=())
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
