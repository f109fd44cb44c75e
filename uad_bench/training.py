"""The training loop shared by all methods; a method provides a network and a loss.

Every random choice (slices, noise, dropout) is a function of (seed, name, step), so training that is interrupted and
resumed from its snapshot gives exactly the same weights as uninterrupted training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from uad_bench.distributed import Step, current_group, distributed
from uad_bench.errors import MethodError
from uad_bench.method import Budget, Compute, Progress, SliceBatch, SliceDataset
from uad_bench.precision import autocast
from uad_bench.seeding import derive, generator
from uad_bench.selection import Selection, put_weights

SNAPSHOT_SECONDS = 30.0
SNAPSHOT_SHARE = 0.02  # of the time, at most, is spent on saving
REPORT_SECONDS = 0.25

Loss = Callable[[SliceBatch, torch.Generator], Tensor]
Decay = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """Optimiser settings: AdamW, learning-rate schedule, gradient clipping and weight averaging.

    Attributes:
        learning_rate: peak learning rate.
        betas: AdamW coefficients of the running averages.
        weight_decay: decoupled weight decay of AdamW.
        warm_up: steps of linear warm-up to the peak.
        decay: schedule from the peak to zero at the end of the budget, or constant.
        gradient_clip: maximum gradient norm; 0 disables clipping.
        ema: decay of the exponential moving average of the weights, which is the final model; 0 uses the last weights.
        compile: use `torch.compile` on CUDA; worthwhile for several thousand steps or more.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warm_up: int = 50
    decay: Decay = "linear"
    gradient_clip: float = 1.0
    ema: float = 0.995
    compile: bool = False

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of `step`, from 0 to `steps` - 1."""
        rise = min(1.0, (step + 1) / max(1, self.warm_up))
        return self.learning_rate * rise * DECAYS[self.decay](step / steps)

    def ema_at(self, step: int) -> float:
        """Averaging decay after `step` + 1 updates; smaller at first, to discard the initial weights."""
        return min(self.ema, (1 + step) / (10 + step))


DECAYS: Mapping[Decay, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


def train(  # noqa: PLR0913 - three objects and four keywords
    network: nn.Module,
    loss: Loss,
    data: SliceDataset,
    *,
    name: str,
    budget: Budget,
    compute: Compute,
    optimisation: Optimisation,
    stage: str = "",
) -> None:
    """Train `network` in place for `budget.steps` updates; it ends in evaluation mode with the averaged weights.

    With `compute.selector`, these are the averaged weights of the best measured step of the last training.

    Args:
        network: network to train; it is moved to `compute.device`.
        loss: function of a batch and a generator on the device, for noise, that calls the network and returns a scalar.
        data: healthy slices.
        name: name of this training, unique in the run; part of every seed and of the snapshot's name.
        budget: optimiser steps and slices per step of this training.
        compute: device, seed, precision, progress, snapshots and selector.
        optimisation: optimiser settings.
        stage: what progress reports call this training; by default `training` and its name.

    Raises:
        MethodError: the loss is not finite.
    """
    training = _Training(network, name, budget, compute, optimisation, stage or f"training {name}")
    if training.step < budget.steps:
        with (
            torch.random.fork_rng(_cuda_devices(compute)),
            _compiled(network, compute, optimisation),
            distributed(network, loss, batch_size=budget.batch_size) as step_loss,
        ):
            _run(training, step_loss, data)
        if training.selection:
            network.load_state_dict(training.selection.weights)
        else:
            put_weights(network, training.average)
        training.save()
    network.eval()
    if training.selection:
        training.selection.finish()


def slice_indices(step: int, *, n: int, batch_size: int, seed: int, name: str) -> list[int]:
    """Indices of the slices of one step: a window of concatenated epochs, each a permutation of all n slices."""
    places = range(step * batch_size, (step + 1) * batch_size)
    return [_permutation(n, seed, name, place // n)[place % n] for place in places]


@lru_cache(maxsize=4)
def _permutation(n: int, seed: int, name: str, epoch: int) -> list[int]:
    order: list[int] = torch.randperm(n, generator=generator(seed, name, "epoch", epoch)).tolist()
    return order


@dataclass(slots=True)
class _Training:
    """The state of training, and how it is saved and restored."""

    network: nn.Module
    name: str
    budget: Budget
    compute: Compute
    optimisation: Optimisation
    stage: str
    optimiser: torch.optim.Optimizer = field(init=False)
    average: list[Tensor] = field(init=False)
    selection: Selection | None = field(init=False)
    step: int = 0
    next_save: float = field(default_factory=lambda: time.monotonic() + SNAPSHOT_SECONDS)

    def __post_init__(self) -> None:
        weights = self.network.to(self.compute.device, **_memory_format(self.compute)).train().parameters
        chosen = self.optimisation
        self.optimiser = torch.optim.AdamW(weights(), betas=chosen.betas, weight_decay=chosen.weight_decay, fused=True)
        self.average = [weight.detach().clone() for weight in weights()]
        self.selection = Selection.of(self.compute, self.name)
        self.load()

    def update(self, loss: Tensor) -> None:
        """One optimiser step."""
        rate = self.optimisation.learning_rate_at(self.step, self.budget.steps)
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.optimisation.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.optimisation.gradient_clip)
        self.optimiser.step()
        weights = [w.detach() for w in self.network.parameters()]
        torch._foreach_lerp_(self.average, weights, 1 - self.optimisation.ema_at(self.step))
        self.step += 1

    def measure(self) -> None:
        """Measure the averaged weights, if a measurement is due after this step."""
        if self.selection and self.selection.is_due(self.step, self.budget.steps):
            with torch.random.fork_rng(_cuda_devices(self.compute)):
                self.selection.measure(self.network, self.average, self.step)

    def save(self) -> None:
        """Save the state; after the last step only the weights, which marks training as finished."""
        if self.compute.snapshots is None:
            return
        started = time.monotonic()
        state = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        if self.step < self.budget.steps:
            state |= {f"average.{i}": value for i, value in enumerate(self.average)}
            moments: dict[int, dict[str, Tensor]] = self.optimiser.state_dict()["state"]
            state |= {f"optimiser.{i}.{key}": value for i, kept in moments.items() for key, value in kept.items()}
        if self.selection:
            state |= self.selection.state()
        self.compute.snapshots.save(self.name, {"step": torch.tensor(self.step), **state})
        saved = time.monotonic()
        self.next_save = saved + max(SNAPSHOT_SECONDS, (saved - started) / SNAPSHOT_SHARE)

    def load(self) -> None:
        """Resume from the snapshot, if there is one."""
        state = self.compute.snapshots.load(self.name) if self.compute.snapshots else None
        if state is None:
            return
        self.step = int(state["step"])
        self.network.load_state_dict(_under("network.", state))
        if self.selection:
            self.selection.load(_under("selection.", state))
        if self.step < self.budget.steps:
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _under("optimiser.", state).items():
                i, key = name.split(".")
                moments.setdefault(int(i), {})[key] = value
            groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
            kept = _under("average.", state)
            for place, mean in enumerate(self.average):  # by index, because files return tensors sorted by name
                mean.copy_(kept[str(place)])


def _run(training: _Training, loss: Step, data: SliceDataset) -> None:
    report = _Reporter(training, training.step)
    for batch in _read_ahead(training, data):
        seed = derive(training.compute.seed, training.name, "step", training.step)
        torch.manual_seed(seed)  # dropout draws from the global generator, which the caller has forked
        noise = torch.Generator(training.compute.device).manual_seed(seed)
        with autocast(training.compute):
            value = loss(batch, noise)
        training.update(value)
        training.measure()
        report(value)
        if time.monotonic() > training.next_save and training.step < training.budget.steps:
            training.save()


def _read_ahead(training: _Training, data: SliceDataset) -> Iterator[SliceBatch]:
    """Batches of the remaining steps, each read (and pinned on CUDA) while the previous step is computed."""
    compute, budget = training.compute, training.budget

    def read(step: int) -> SliceBatch:
        indices = slice_indices(step, n=len(data), batch_size=budget.batch_size, seed=compute.seed, name=training.name)
        batch = data.take(indices)
        if torch.device(compute.device).type == "cuda":
            batch = SliceBatch(batch.image.pin_memory(), batch.brain_mask.pin_memory(), batch.keys)
        return batch

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, training.step)
        for step in range(training.step, budget.steps):
            batch = coming.result()
            if step + 1 < budget.steps:
                coming = reader.submit(read, step + 1)
            yield batch.to(compute.device)


@dataclass(slots=True)
class _Reporter:
    """Reports progress at intervals, and stops training when the loss is not finite."""

    training: _Training
    first: int
    started: float = field(default_factory=time.monotonic)
    said: float = float("-inf")

    def __call__(self, loss: Tensor) -> None:
        training, now = self.training, time.monotonic()
        if now - self.said < REPORT_SECONDS and training.step < training.budget.steps:
            return  # reading the loss synchronises with the device
        self.said, value = now, float(loss.detach())
        if not math.isfinite(value):
            raise MethodError(
                f"{training.name}: the loss is {value} at step {training.step}; lower optimisation.learning_rate",
                reason="nan",
            )
        rate = (training.step - self.first) * training.budget.batch_size / max(now - self.started, 1e-9)
        training.compute.report(Progress(training.stage, training.step, training.budget.steps, value, rate))


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


@contextmanager
def _compiled(network: nn.Module, compute: Compute, optimisation: Optimisation) -> Iterator[None]:
    """Context with the network compiled, but not the loss around it, if the settings ask for it on one GPU."""
    cuda = torch.device(compute.device).type == "cuda"
    if not (optimisation.compile and cuda) or current_group().size > 1:  # ranks communicate in the network
        yield
        return
    network.forward = torch.compile(network.forward)
    try:
        yield
    finally:
        del network.forward


def _memory_format(compute: Compute) -> dict[str, Any]:
    """Channels last on CUDA; on a CPU the network's own, because there `nn.GroupNorm` is many times slower with it."""
    return {"memory_format": torch.channels_last} if torch.device(compute.device).type == "cuda" else {}


def _cuda_devices(compute: Compute) -> list[int]:
    device = torch.device(compute.device)
    return [device.index or 0] if device.type == "cuda" else []
