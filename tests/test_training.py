"""Training: what is drawn, how weights move, and that an interruption leaves no trace."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from uad_bench import training
from uad_bench.errors import MethodError
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_bench.precision import cpu_flags
from uad_bench.training import Optimisation, slice_indices, train


class Line:
    """Sixteen slices whose target is three times their input."""

    modalities = ("flair", "t2")

    def __init__(self):
        self.x = torch.randn(16, 1, 4, 4, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.x)

    def take(self, indices):
        image = torch.cat([self.x, 3 * self.x], dim=1)[list(indices)]
        keys = tuple(SliceKey("p", i) for i in indices)
        return SliceBatch(image, torch.ones_like(image[:, :1], dtype=torch.bool), keys)


class Memory:
    """Snapshots in memory; interrupts the training after `stop` saves."""

    def __init__(self, stop=None):
        self.kept, self.saves, self.stop = {}, 0, stop

    def save(self, name, state):
        self.kept[name] = {key: value.clone() for key, value in state.items()}
        self.saves += 1
        if self.saves == self.stop:
            raise KeyboardInterrupt

    def load(self, name):
        return self.kept.get(name)


def fit(steps=40, *, snapshots=None, compute=None, seed=0, **changes):
    torch.manual_seed(5)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Dropout(0.2), nn.Conv2d(8, 1, 3, padding=1))
    compute = compute or Compute(seed=seed, snapshots=snapshots)

    def loss(batch, generator):
        x, y = batch.image[:, :1], batch.image[:, 1:]
        noise = 0.1 * torch.randn(x.shape, generator=generator)
        return F.mse_loss(network(x + noise), y)

    optimisation = Optimisation(**{"learning_rate": 0.02, "warm_up": 5, "ema": 0.9, **changes})
    train(network, loss, Line(), name="line", budget=Budget(steps, 4), compute=compute, optimisation=optimisation)
    return network


def save_every_step(patch):
    patch.setattr(training, "SNAPSHOT_SECONDS", -1)
    patch.setattr(training, "SNAPSHOT_SHARE", math.inf)


def weights(network):
    return torch.cat([w.detach().flatten() for w in network.parameters()])


@given(n=st.integers(1, 40), batch_size=st.integers(1, 50))
def test_the_first_epoch_shows_every_slice_once(n, batch_size):
    steps = -(-n // batch_size)
    drawn = [i for k in range(steps) for i in slice_indices(k, n=n, batch_size=batch_size, seed=1, name="a")]
    assert sorted(drawn[:n]) == list(range(n))


def test_epochs_and_trainings_are_shuffled_apart():
    first, second = (slice_indices(k, n=64, batch_size=64, seed=0, name="a") for k in (0, 1))
    assert first != second
    assert first != slice_indices(0, n=64, batch_size=64, seed=0, name="b")
    assert first != slice_indices(0, n=64, batch_size=64, seed=1, name="a")


def test_training_lowers_the_error():
    data = Line().take(range(16)).image
    before, after = ((network(data[:, :1]) - data[:, 1:]).square().mean() for network in (fit(0), fit(200)))
    assert after < before / 10


def test_a_training_without_steps_changes_nothing():
    torch.manual_seed(5)
    untouched = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Dropout(0.2), nn.Conv2d(8, 1, 3, padding=1))
    assert torch.equal(weights(fit(0)), weights(untouched))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert torch.equal(weights(fit()), weights(fit()))
    assert not torch.equal(weights(fit()), weights(fit(seed=1)))


@pytest.mark.parametrize("stop", [1, 7, 39])
def test_an_interrupted_training_ends_in_the_same_bytes(monkeypatch, stop):
    save_every_step(monkeypatch)
    snapshots = Memory(stop)
    with pytest.raises(KeyboardInterrupt):
        fit(snapshots=snapshots)
    assert int(snapshots.kept["line"]["step"]) == stop
    assert torch.equal(weights(fit(snapshots=snapshots)), weights(fit()))


def test_saving_takes_a_fiftieth_of_the_time_however_large_the_state(monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(training.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(training, "SNAPSHOT_SECONDS", 30.0)  # other tests change these two
    monkeypatch.setattr(training, "SNAPSHOT_SHARE", 0.02)

    class Slow(Memory):
        """Needs 10 s to save; 30 s pass between steps."""

        def save(self, name, state):
            clock["now"] += 10
            super().save(name, state)

    snapshots = Slow()
    monkeypatch.setattr(training.Optimisation, "ema_at", lambda *_: clock.update(now=clock["now"] + 30) or 0.0)
    fit(100, snapshots=snapshots)
    assert snapshots.saves == 1 + 3000 // 510 + 1  # after 30 s, then 500 s after each save, and at the end


def test_a_finished_training_is_not_repeated():
    snapshots = Memory()
    finished = fit(snapshots=snapshots)
    reports = []
    again = fit(compute=Compute(snapshots=snapshots, report=reports.append))
    assert torch.equal(weights(again), weights(finished))
    assert reports == []


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    fit()  # which seeds 5 itself to build the network
    after = torch.rand(3)
    torch.manual_seed(5)
    fit(0)
    assert torch.equal(after, torch.rand(3))


def test_a_lost_loss_is_a_failure_with_a_reason():
    with pytest.raises(MethodError, match="learning_rate") as failure:
        fit(learning_rate=math.inf, gradient_clip=0)
    assert failure.value.reason == "nan"


def test_progress_ends_at_the_budget():
    reports = []
    fit(30, compute=Compute(report=reports.append))
    assert (reports[-1].stage, reports[-1].step, reports[-1].total) == ("training line", 30, 30)
    assert reports[-1].loss > 0
    assert reports[-1].slices_per_s > 0


def test_the_kept_weights_are_their_running_average():
    path = []

    class Watch(Memory):
        def save(self, name, state):
            path.append(state["network.0.bias"].clone())
            super().save(name, state)

    with pytest.MonkeyPatch.context() as patch:
        save_every_step(patch)
        kept = fit(4, snapshots=Watch(), ema=0.9)
    last = fit(4, ema=0.0)[0].bias
    expected = fit(0)[0].bias.detach()
    for step, weight in enumerate([*path[:3], last.detach()]):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    assert torch.allclose(kept[0].bias, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("decay", "halfway"), [("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)], ids=["constant", "linear", "cosine"]
)
def test_the_learning_rate_rises_then_falls(decay, halfway):
    optimisation = Optimisation(learning_rate=1.0, warm_up=10, decay=decay)
    assert optimisation.learning_rate_at(0, 1000) == pytest.approx(0.1)
    assert optimisation.learning_rate_at(500, 1000) == pytest.approx(halfway)


def test_processor_flags_are_read_and_may_be_missing(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("model name\t: some\nflags\t\t: sse2 avx512_bf16\n")
    assert cpu_flags(listing) == {"sse2", "avx512_bf16"}
    assert cpu_flags(tmp_path / "absent") == frozenset()


def test_a_network_is_channels_last_on_a_gpu_and_keeps_its_format_on_a_processor():
    assert training._memory_format(Compute("cuda:1")) == {"memory_format": torch.channels_last}
    assert training._memory_format(Compute("cpu")) == {}


def test_the_random_state_that_is_put_back_is_that_of_the_gpu_in_use():
    assert training._cuda_devices(Compute("cuda:1")) == [1]
    assert training._cuda_devices(Compute("cpu")) == []


def test_nothing_is_compiled_on_a_processor(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda _: pytest.fail("compiled"))
    fit(2, compile=True)


def test_the_network_is_compiled_without_the_loss_and_restored_afterwards(monkeypatch):
    compiled, network = [], nn.Linear(1, 1)
    monkeypatch.setattr(torch, "compile", lambda forward: compiled.append(forward) or forward)
    with training._compiled(network, Compute("cuda"), Optimisation(compile=True)):
        assert compiled == [network.forward]
    assert "forward" not in vars(network)
