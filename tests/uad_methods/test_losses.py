"""What training minimises, written out in float64: what the networks see, and how their answers are judged."""

import pytest
import torch

from uad_bench.method import SliceBatch, SliceKey
from uad_methods.andi import ANDi
from uad_methods.cycle import CycleOnly
from uad_methods.dae import DAE
from uad_methods.diffusion import cumulative_alphas, linear_betas
from uad_methods.frequencies import high_frequencies
from uad_methods.itermask2 import IterMask2
from uad_methods.mmccd import MMCCD
from uad_methods.noise import coarse_noise
from uad_methods.pddpm import PDDPM, grid_patches

ALPHA_BAR = cumulative_alphas(linear_betas())
N, SIZE = 4, 32


class Watched:
    """Stands for a network: answers the sine of what it sees, summed over channels, and keeps what that was."""

    def __call__(self, x, t=None):
        self.x, self.t = x, t
        return x.sin().sum(dim=1, keepdim=True)

    def squared_error(self, target):
        return (self.x.sin().sum(dim=1, keepdim=True) - target).square()

    def noise(self, channel, x_0):
        """The noise in a channel, if that is x_0 at the times given."""
        alpha_bar = ALPHA_BAR[self.t][:, None, None, None]
        return (self.x[:, channel : channel + 1] - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def draws():
    return torch.Generator().manual_seed(5)


def slices(channels):
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(-1, 1, SIZE), indexing="ij")
    brain = ((y / 0.9) ** 2 + (x / 0.7) ** 2 < 1).expand(N, 1, -1, -1)
    image = torch.randn(N, channels, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return SliceBatch(image * brain, brain, tuple(SliceKey("p", z) for z in range(N)))


def exactly(value, rel=1e-12):
    return pytest.approx(float(value), rel=rel)


def test_dae_restores_the_brain_from_coarse_noise_in_it():
    method, network, batch = DAE(noise_std=0.2, noise_grid=16), Watched(), slices(1)
    method.networks_ = {"denoiser": network}
    x, brain = batch.image, batch.brain_mask
    loss = method._loss(batch, draws())
    noise = 0.2 * coarse_noise(x.shape, grid=16, generator=draws())
    torch.testing.assert_close(network.x[brain], (x + noise)[brain])
    assert torch.equal(network.x[~brain], x[~brain])
    assert float(loss) == exactly(network.squared_error(x)[brain].mean())


def test_mmccd_as_published_predicts_all_of_y_from_its_noised_self_and_x_behind_one_stripe():
    method = MMCCD(stripe_width=16, hidden_weight=0.0, stripe_per_batch=True)
    network, batch = Watched(), slices(2)
    method.networks_ = {"forward": network}
    x, y = batch.image[:, :1], batch.image[:, 1:]
    assert float(method._diffusion_loss(batch, draws())) == exactly(network.squared_error(y).mean())
    assert network.noise(0, y).std().item() == pytest.approx(1, abs=0.05)
    hidden = network.x[:, 1:] != x
    assert (hidden == hidden[:1]).all()
    assert {int(hidden[0, 0].any(dim=axis).sum()) for axis in (0, 1)} == {4, SIZE}  # 16 of 128 pixels
    assert network.x[:, 1:][hidden].std().item() == pytest.approx(1, abs=0.1)


def test_mmccd_and_the_cyclic_unet_translate_back_from_the_real_y():
    batch = slices(2)
    x, y = batch.image[:, :1], batch.image[:, 1:]
    for cls, loss in ((MMCCD, MMCCD._translation_loss), (CycleOnly, CycleOnly._backward_loss)):
        method = cls()
        method.networks_ = {"backward": Watched()}
        assert float(loss(method, batch, draws())) == exactly((y.sin() - x).square().mean())


def test_the_cyclic_unet_translates_x_to_y():
    method, batch = CycleOnly(), slices(2)
    method.networks_ = {"forward": Watched()}
    x, y = batch.image[:, :1], batch.image[:, 1:]
    assert float(method._forward_loss(batch, draws())) == exactly((x.sin() - y).square().mean())


def test_itermask2_rebuilds_whole_slices_from_edges_and_what_is_not_masked():
    method, first, masked, batch = IterMask2(radius=5), Watched(), Watched(), slices(1)
    method.networks_ = {"first": first, "masked": masked}
    x, edges = batch.image, high_frequencies(batch.image, 5)
    assert float(method._first_loss(batch, draws())) == exactly((edges.sin() - x).square().mean())
    assert float(method._masked_loss(batch, draws())) == exactly(masked.squared_error(x).mean())
    assert torch.equal(masked.x[:, 1:], edges)
    hidden = masked.x[:, :1] != x
    assert hidden.flatten(1).any(dim=1).all()
    assert not (hidden & ~batch.brain_mask).any()
    assert masked.x[:, :1][hidden].std().item() == pytest.approx(1, abs=0.1)


def test_andi_as_published_predicts_the_noise_at_any_time():
    method, network, batch = ANDi(predicts="eps"), Watched(), slices(1)
    method.networks_ = {"denoiser": network}
    loss = method._loss(batch, draws())
    noise = network.noise(0, batch.image)
    assert noise.std().item() == pytest.approx(1, abs=1e-3)
    assert float(loss) == exactly(network.squared_error(noise).mean(), rel=1e-4)  # alpha_bar is float32 there


def test_pddpm_noises_one_patch_of_each_slice_and_shows_the_rest():
    method, network, batch = PDDPM(), Watched(), slices(1)
    method.networks_ = {"denoiser": network}
    loss = method._loss(batch, draws())
    noised = network.x != batch.image
    patch = torch.stack([max(grid_patches((SIZE, SIZE), 2), key=lambda p: (p & one).sum()) for one in noised])
    assert not (noised & ~patch).any()
    assert noised[patch].float().mean() > 0.99
    assert float(loss) == exactly((network.x.sin() - batch.image)[patch].abs().mean())
