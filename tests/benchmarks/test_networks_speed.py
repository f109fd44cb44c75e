"""Network calls, training steps and noise as the methods make them, beside their plain versions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_bench.training import Optimisation, train
from uad_methods import simplex
from uad_methods.mmccd import MMCCD
from uad_methods.nn.unet import PUBLISHED, UNet
from uad_methods.simplex import simplex_noise

pytestmark = pytest.mark.slow

BATCH, SIZE, STEPS = 16, 128, 3


@pytest.fixture
def side(benchmark) -> int:
    """Pixels along a side of a slice: fewer where no time is measured."""
    return SIZE if benchmark.enabled else 16


class Slices:
    """Noise in place of slices: speed does not look."""

    modalities = ("flair", "t2")

    def __init__(self, size: int):
        self.image = torch.randn(BATCH, 2, size, size)

    def __len__(self):
        return BATCH

    def __getitem__(self, i):
        return self.take([i])

    def take(self, indices):
        i = list(indices)
        keys = tuple(SliceKey("p", k) for k in i)
        return SliceBatch(self.image[i], torch.ones(len(i), 1, *self.image.shape[2:], dtype=torch.bool), keys)


@pytest.mark.benchmark(group="16 calls of the published network, 128 x 128")
@pytest.mark.parametrize("how", ["plain float32", "as scored"])
def test_network_calls(benchmark, side, how):
    x, t = torch.randn(BATCH, 2, side, side), torch.full((BATCH,), 500)
    if how == "plain float32":
        network = UNet(2, shape=PUBLISHED).eval()
        call = torch.no_grad()(lambda: network(x, t))
    else:
        method = MMCCD(unet=PUBLISHED).fit(Slices(side), budget=Budget(0, 1), compute=Compute(mixed_precision=True))
        call = lambda: method.predict("forward", x, 500)  # noqa: E731
    answer = benchmark.pedantic(call, rounds=3, warmup_rounds=1)
    assert answer.shape == (BATCH, 1, side, side)


@pytest.mark.benchmark(group="3 training steps of the published network, 16 slices of 128 x 128")
@pytest.mark.parametrize("how", ["plain float32", "as trained"])
def test_training_steps(benchmark, side, how):
    network, data = UNet(1, shape=PUBLISHED), Slices(side)

    def plain():
        optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
        for _ in range(STEPS):
            batch = data.take(range(BATCH))
            loss = F.mse_loss(network(batch.image[:, :1]), batch.image[:, 1:])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def own():
        train(
            network,
            lambda batch, _: F.mse_loss(network(batch.image[:, :1]), batch.image[:, 1:]),
            data,
            name="bench",
            budget=Budget(STEPS, BATCH),
            compute=Compute(mixed_precision=True),
            optimisation=Optimisation(),
        )

    benchmark.pedantic(plain if how == "plain float32" else own, rounds=2, warmup_rounds=1)
    assert all(weight.isfinite().all() for weight in network.parameters())


@pytest.mark.benchmark(group="16 planes of simplex noise, 256 x 256, six octaves")
@pytest.mark.parametrize("compiled", [False, True], ids=["torch", "numba"])
def test_simplex_noise(benchmark, monkeypatch, compiled):
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(simplex, "has_numba", lambda: compiled)
    field = benchmark(simplex_noise, range(BATCH), (256, 256))
    assert field.shape == (BATCH, 256, 256)


@pytest.mark.benchmark(group="16 planes of simplex noise, 256 x 256, six octaves")
def test_simplex_noise_of_the_opensimplex_package(benchmark):
    """The generator from which AnoDDPM's own copy descends, called as there: a new seed for each plane."""
    pytest.importorskip("numba")  # far slower without
    opensimplex = pytest.importorskip("opensimplex")

    def plane(seed: int) -> np.ndarray:
        opensimplex.seed(seed)
        waves = [(0.8**i, np.arange(256) / (64 / 2**i)) for i in range(6)]
        return sum(loud * opensimplex.noise3array(x, x, np.array([0.5]))[0] for loud, x in waves)

    field = benchmark(lambda: np.stack([plane(seed) for seed in range(BATCH)]))
    assert field.shape == (BATCH, 256, 256)


@pytest.mark.benchmark(group="MMCCD, scoring one slice of 64 x 64")
@pytest.mark.parametrize(
    "params",
    [{"stripe_stride": 2, "stripes_per_pass": 1, "steps": 10}, {}],
    ids=["128 stripes, 10 steps", "as by default"],
)
def test_scoring_a_slice(benchmark, side, params):
    method, side = MMCCD(**params), side // 2
    data = Slices(side)
    method.fit(data, budget=Budget(0, 1), compute=Compute(mixed_precision=True))
    batch = SliceBatch(data.image[:1, :1], torch.ones(1, 1, side, side, dtype=torch.bool), (SliceKey("p", 0),))
    scores = benchmark.pedantic(method.score, args=(batch,), rounds=2, warmup_rounds=1)
    assert scores.shape == (1, side, side)
