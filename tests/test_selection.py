"""The weights of the best measured step are kept, and measuring leaves no trace in the training."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.test_training import Line, Memory, save_every_step, weights
from uad_bench.method import Budget, Compute
from uad_bench.training import Optimisation, train


class Listed:
    """Returns values from a list by step, after drawing from every global generator; keeps the weights it saw."""

    def __init__(self, network, values=(0.1, 0.8, 0.3, 0.8), every=10):
        self.network, self.values, self.every, self.seen, self.curve = network, list(values), every, [], None

    def begin(self, name):
        assert name == "line"
        return self.every

    def measure(self):
        torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        assert not any(module.training for module in self.network.modules())
        self.network(torch.ones(2, 1, 4, 4))
        self.seen.append(weights(self.network))
        return self.values[(len(self.seen) - 1) % len(self.values)]

    def keep(self, curve):
        self.curve = dict(curve)


def network():
    torch.manual_seed(5)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.2), nn.Conv2d(8, 1, 3, padding=1)
    return nn.Sequential(*layers)


def fit(net, selector=None, *, steps=40, snapshots=None):
    compute = Compute(snapshots=snapshots, selector=selector)

    def loss(batch, noise):
        x, y = batch.image[:, :1], batch.image[:, 1:]
        return F.mse_loss(net(x + 0.1 * torch.randn(x.shape, generator=noise)), y)

    optimisation = Optimisation(learning_rate=0.02, warm_up=5, ema=0.9)
    train(net, loss, Line(), name="line", budget=Budget(steps, 4), compute=compute, optimisation=optimisation)
    return net


class Course(Memory):
    """Keeps every state that it saves."""

    def __init__(self):
        super().__init__()
        self.states = []

    def save(self, name, state):
        self.states.append({k: v.clone() for k, v in state.items() if not k.startswith("selection.")})
        super().save(name, state)


def test_training_ends_with_the_weights_of_the_first_best_measurement():
    selector = Listed(net := network())
    fit(net, selector)
    assert selector.curve == {10: 0.1, 20: 0.8, 30: 0.3, 40: 0.8}
    assert torch.equal(weights(net), selector.seen[1])
    assert not net.training


def test_the_last_step_is_always_measured_and_its_weights_are_those_of_a_training_without_measurements():
    selector = Listed(net := network(), values=[0.2, 0.9], every=25)
    fit(net, selector)
    assert list(selector.curve) == [25, 40]
    without = fit(network()).state_dict()
    assert all(torch.equal(value, without[key]) for key, value in net.state_dict().items())


def test_measuring_changes_no_step_of_the_training(monkeypatch):
    save_every_step(monkeypatch)
    courses = []
    for measured in (True, False):
        net, snapshots = network(), Course()
        fit(net, Listed(net, every=3) if measured else None, snapshots=snapshots)
        courses.append(snapshots.states[:-1])  # the last state holds the weights that were chosen
    assert len(courses[0]) == 39
    for with_measurements, without in zip(*courses, strict=True):
        assert with_measurements.keys() == without.keys()
        assert all(torch.equal(with_measurements[key], without[key]) for key in without)


@pytest.mark.parametrize("stop", [1, 19, 20, 21, 39])
def test_an_interrupted_training_selects_the_same_step_and_weights(monkeypatch, stop):
    save_every_step(monkeypatch)
    whole = Listed(net := network())
    expected = weights(fit(net, whole))
    snapshots, first = Memory(stop), Listed(net := network())
    with pytest.raises(KeyboardInterrupt):
        fit(net, first, snapshots=snapshots)
    second = Listed(net := network(), values=whole.values[len(first.seen) :])
    assert torch.equal(weights(fit(net, second, snapshots=snapshots)), expected)
    assert second.curve == whole.curve


def test_a_finished_training_passes_its_measurements_on_without_measuring_again():
    snapshots = Memory()
    expected = weights(fit(net := network(), Listed(net), snapshots=snapshots))
    again = Listed(net := network())
    assert torch.equal(weights(fit(net, again, snapshots=snapshots)), expected)
    assert (again.seen, list(again.curve)) == ([], [10, 20, 30, 40])


def test_a_network_is_measured_with_its_own_forward_not_with_the_one_of_training():
    selector, wrapped = Listed(net := network()), []
    own = net.forward
    net.forward = lambda x: wrapped.append(1) or own(x)
    forward = net.forward
    fit(net, selector, steps=10)
    assert len(wrapped) == 10
    assert net.forward is forward


def test_a_snapshot_without_measurements_starts_a_curve_of_its_own():
    net = network()
    state = {f"network.{key}": value for key, value in net.state_dict().items()}
    average = {f"average.{i}": value.detach() for i, value in enumerate(net.parameters())}
    snapshots = Memory()
    snapshots.kept["line"] = {"step": torch.tensor(0), **state, **average}
    selector = Listed(net)
    fit(net, selector, steps=10, snapshots=snapshots)
    assert selector.curve == {10: 0.1}
    assert math.isfinite(weights(net).sum())
