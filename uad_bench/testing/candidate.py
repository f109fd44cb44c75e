"""A method under test: builds it anew, fits it on tiny slices, and scores with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from uad_bench.errors import ConfigError
from uad_bench.execution.process_state import preserved
from uad_bench.method import Budget, Compute, Method, Modalities, SliceBatch, SliceDataset
from uad_bench.plugins import registry
from uad_bench.plugins.hyperparameters import build_method, hyperparameters
from uad_bench.testing.result import Result
from uad_bench.testing.slices import SIZE, TinySlices, copy_of, healthy_slices

BUDGET = Budget(steps=8, batch_size=4)
TRAINING = ("train-a", "train-b", "train-c")


@dataclass
class Candidate:
    """A method's class with its hyperparameters.

    Attributes:
        cls: the class; checks build fresh objects of it.
        params: given to its constructor.
        name: for messages.
        pair: fills the fields `source` and `target`.
        device: where the method computes.
    """

    cls: Any
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    pair: tuple[str, str] = ("flair", "t2")
    device: str = "cpu"
    results: dict[str, Result] = field(default_factory=dict, repr=False)
    _fitted: Method | None = field(default=None, repr=False)

    @classmethod
    def of(cls, method: Any) -> Self:
        """A candidate from a class, an object, a registered name, or a plugin file with one method."""
        if isinstance(method, cls):
            return method
        if isinstance(method, str | Path):
            return cls._registered(method)
        if isinstance(method, type):
            return cls(method, name=method.__name__)
        return cls(type(method), hyperparameters(method), name=type(method).__name__)

    @classmethod
    def _registered(cls, name: str | Path) -> Self:
        plugins = [Path(name)] if str(name).endswith(".py") else []
        entries = registry.methods(plugins)
        if plugins:
            entries = {key: entry for key, entry in entries.items() if entry.file}
            if len(entries) > 1:
                raise ConfigError(f"{name} holds {', '.join(entries)}; name one of them")
            name = next(iter(entries))
        return cls(registry.find("method", str(name), entries).load(), name=str(name))

    @property
    def excused(self) -> Mapping[str, str]:
        """Checks that the method says it cannot pass, each with its reason."""
        return getattr(self.cls, "excused_checks", {})

    @property
    def whole_volume(self) -> bool:
        """Whether every call of `score` must hold all slices of a patient."""
        return bool(getattr(self.cls, "whole_volume", False))

    @property
    def needs(self) -> Modalities:
        """What it asks for."""
        return self.new().modalities

    def new(self) -> Method:
        """A fresh object that has learned nothing."""
        return build_method(self.cls, self.params, pair=self.pair, name=self.name or self.cls.__name__)

    def compute(self, seed: int = 0) -> Compute:
        """Where it computes, with this seed."""
        return Compute(device=self.device, seed=seed)

    def fit(self, method: Method, train: SliceDataset | None = None) -> Method:
        """Fit it within the kit's budget; leaves the state of the process as it was."""
        with preserved():
            return method.fit(train or self.training_slices(), budget=BUDGET, compute=self.compute())

    def fitted(self) -> Method:
        """A method fitted on the training slices; each call gives one that shares nothing with the others."""
        if self._fitted is None:
            self._fitted = self.fit(self.new())
        try:
            return copy.deepcopy(self._fitted)
        except (TypeError, RuntimeError):  # generators and the like cannot be copied
            return self.fit(self.new())

    def score(self, method: Method, batch: SliceBatch) -> Tensor:
        """Scores of a copy of the batch, in memory of their own; leaves the state of the process as it was."""
        with preserved():
            return method.score(copy_of(batch).to(self.device)).detach().clone()

    def training_slices(self, *, size: tuple[int, int] = SIZE, seed: int = 0) -> TinySlices:
        """Healthy slices in the order of `fit`; none for a method that learns nothing, as the harness does it."""
        modalities = self.needs.fit
        return healthy_slices(modalities, patients=TRAINING if modalities else (), size=size, seed=seed)

    def patient(self, name: str = "case-a", *, size: tuple[int, int] = SIZE) -> SliceBatch:
        """All slices of one unseen patient, in the order of `score`."""
        return healthy_slices(self.needs.score, patients=[name], size=size).batch
