"""What all trained methods share: networks that are built, trained, kept, restored and called the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor, nn

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_bench.precision import autocast
from uad_bench.seeding import derive
from uad_bench.training import Loss, Optimisation, train
from uad_methods.units import Rescale, Units, spread_out

Size = tuple[int, int]

DEFAULT_OPTIMISATION = Optimisation(learning_rate=2e-3)
PASS_SIZE = {"cpu": 16, "cuda": 64}
"""Slices per network call when scoring. The last call for a patient is filled up, so smaller calls waste less."""


@dataclass(kw_only=True)
class NetworkMethod(ABC):
    """A method whose whole knowledge is its networks, by name.

    Attributes:
        optimisation: how the networks' weights are updated.
        rescale: "auto" gives the networks slices in units of the healthy brain's spread where the task's own are far
            from that (see `uad_methods.units`); "never" takes them as they come, as published.
        fits_: slices per network call that memory was not too small for.
    """

    optimisation: Optimisation = DEFAULT_OPTIMISATION
    rescale: Rescale = "auto"
    networks_: dict[str, nn.Module] = field(init=False, repr=False, compare=False)
    size_: Size = field(init=False, repr=False, compare=False)
    compute_: Compute = field(init=False, repr=False, compare=False)
    units_: Units = field(init=False, repr=False, compare=False)
    fits_: int = field(init=False, repr=False, compare=False, default=max(PASS_SIZE.values()))

    def __post_init__(self) -> None:
        self.units_ = Units()

    @abstractmethod
    def build(self, size: Size) -> dict[str, nn.Module]:
        """Fresh networks for slices of this (height, width)."""

    def start(self, train_slices: SliceDataset, compute: Compute) -> SliceBatch:
        """Forget everything and build networks from the run's seed; returns the slices that were measured for it."""
        sample = spread_out(train_slices)
        height, width = sample.image.shape[-2:]
        units = Units.of(sample) if self.rescale == "auto" else Units()
        self._prepare((height, width), compute, units)
        return sample

    def learn(self, name: str, loss: Loss, train_slices: SliceDataset, budget: Budget, *, stage: str = "") -> None:
        """Train one network; its loss sees slices as `ready` gives them. `stage` is what progress reports call it."""
        train(
            self.networks_[name],
            lambda batch, generator: loss(self._entered(batch), generator),
            train_slices,
            name=name,
            budget=budget,
            compute=self.compute_,
            optimisation=self.optimisation,
            stage=stage,
        )

    @property
    def pass_size(self) -> int:
        """Slices per network call when scoring."""
        return min(self.fits_, PASS_SIZE[torch.device(self.compute_.device).type])

    @torch.inference_mode()
    def predict(self, name: str, x: Tensor, t: int | Tensor | None = None) -> Tensor:
        """Call a trained network on (N, C, H, W), all at time `t` or each at its own (N,), in passes of one fixed size.

        Every pass has the same shape (the last is filled up), so that a slice's result does not depend on how many
        others come with it. Where CUDA runs out of memory the passes are halved.
        """
        network = self.networks_[name]
        times = torch.full((len(x),), t, device=x.device) if isinstance(t, int) else t
        while True:
            size = self.pass_size
            try:
                with autocast(self.compute_):
                    return torch.cat([_fixed_pass(network, *part, size=size) for part in _parts(x, times, size)])
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            self.fits_ = size // 2
            torch.cuda.empty_cache()  # nothing happens where there is no GPU

    def ready(self, batch: SliceBatch) -> SliceBatch:
        """The batch on the method's device, in its networks' units.

        Raises:
            NotFittedError: nothing was learned or restored yet.
        """
        if not hasattr(self, "networks_"):
            raise NotFittedError(f"{type(self).__name__} scores only after fit or load_state_dict")
        return self._entered(batch.to(self.compute_.device))

    def in_task_units(self, *images: Tensor, channel: int = 0) -> tuple[Tensor, ...]:
        """Images (N, 1, H, W) of one channel, as it stood before `ready`."""
        return tuple(self.units_.leave(image, channel) for image in images)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights by network, the slice size they were trained at, and the units."""
        weights = {
            f"{name}.{key}": value.contiguous()
            for name, network in self.networks_.items()
            for key, value in network.state_dict().items()
        }
        units = torch.stack([self.units_.shift, self.units_.spread])
        return {"size": torch.tensor(self.size_), "units": units, **weights}

    def load_state_dict(self, state: Mapping[str, Tensor], *, compute: Compute) -> Self:
        height, width = state["size"].tolist()
        units = Units(*state["units"]) if "units" in state else Units()
        self._prepare((height, width), compute, units)
        for name, network in self.networks_.items():
            prefix = f"{name}."
            own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            network.load_state_dict(own)
        return self

    def _entered(self, batch: SliceBatch) -> SliceBatch:
        return replace(batch, image=self.units_.enter(batch.image))

    def _prepare(self, size: Size, compute: Compute, units: Units) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(compute.seed, type(self).__name__, "initial weights"))
            self.networks_ = self.build(size)
        for network in self.networks_.values():
            network.to(compute.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.size_, self.compute_, self.units_ = size, compute, units.to(compute.device)


def share(budget: Budget, part: float) -> tuple[Budget, Budget]:
    """Divide the steps of one budget between two trainings; `part` goes to the first."""
    first = round(budget.steps * part)
    return Budget(first, budget.batch_size), Budget(budget.steps - first, budget.batch_size)


def _parts(x: Tensor, t: Tensor | None, size: int) -> Iterator[tuple[Tensor, ...]]:
    """What each pass of a network is given."""
    return zip(*(torch.split(given, size) for given in (x, t) if given is not None), strict=True)


def _fixed_pass(network: nn.Module, *inputs: Tensor, size: int) -> Tensor:
    n = len(inputs[0])
    filled = (
        torch.cat([given, given.new_zeros(size - n, *given.shape[1:])]) if n < size else given for given in inputs
    )
    y: Tensor = network(*filled)
    return y[:n].float()
