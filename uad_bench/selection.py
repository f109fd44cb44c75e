"""Keeps the weights of the best measured step of a training.

A measurement sees the network with its averaged weights in evaluation mode, as it would be if training ended at that
step, and leaves no trace: training takes the same course as without measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from uad_bench.method import Compute, Selector


@dataclass(slots=True)
class Selection:
    """The measurements of a training, and the weights of the best; of equal ones, of the first.

    Attributes:
        every: steps between two measurements; the last step is always measured.
        curve: measurement by step.
        weights: `state_dict` of the network at the best step.
    """

    selector: Selector
    every: int
    curve: dict[int, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, compute: Compute, name: str) -> Selection | None:
        """The selection in the training of this name; None if its last weights are kept."""
        if compute.selector is None or not (every := compute.selector.begin(name)):
            return None
        return cls(compute.selector, every)

    def is_due(self, step: int, steps: int) -> bool:
        """Whether to measure after `step` of `steps` updates."""
        return step % self.every == 0 or step == steps

    def measure(self, network: nn.Module, average: Sequence[Tensor], step: int) -> None:
        """Measure the network with these weights, and keep them if they are the best so far."""
        with _as_if_finished(network, average):
            value = self.selector.measure()
            if value > max(self.curve.values(), default=-math.inf):
                self.weights = _copy_of(network)
        self.curve[step] = value

    def finish(self) -> None:
        """Pass the measurements on."""
        self.selector.keep(self.curve)

    def state(self) -> dict[str, Tensor]:
        """What a snapshot stores."""
        curve = torch.tensor(list(self.curve.items()), dtype=torch.float64).reshape(len(self.curve), 2)
        weights = {f"selection.weights.{key}": value for key, value in self.weights.items()}
        return {"selection.curve": curve, **weights}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the stored state; it is empty if training starts from another run's weights."""
        if state:
            self.curve = {int(step): value for step, value in state["curve"].tolist()}
            self.weights = {key.removeprefix("weights."): value for key, value in state.items() if key != "curve"}


def put_weights(network: nn.Module, weights: Sequence[Tensor]) -> None:
    """Copy weights into the network's parameters, in their order."""
    with torch.no_grad():
        for weight, value in zip(network.parameters(), weights, strict=True):
            weight.copy_(value)


@contextmanager
def _as_if_finished(network: nn.Module, average: Sequence[Tensor]) -> Iterator[None]:
    """Context with the averaged weights in evaluation mode, and with the network's own `forward`.

    During training, `forward` may be compiled or divided between ranks.
    """
    before, modes = _copy_of(network), {module: module.training for module in network.modules()}
    forward = vars(network).pop("forward", None)
    put_weights(network, average)
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.load_state_dict(before)
        for module, mode in modes.items():
            module.training = mode
        if forward is not None:
            network.forward = forward


def _copy_of(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.state_dict().items()}
