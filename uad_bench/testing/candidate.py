"""A method under test: builds fresh instances, fits them on tiny slices, and scores with them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor

from uad_bench.errors import ConfigError
from uad_bench.execution.process_state import preserved
from uad_bench.method import Budget, Compute, Method, Modalities, SliceBatch, SliceDataset
from uad_bench.plugins import registry
from uad_bench.plugins.hyperparameters import build_method, hyperparameters
from uad_bench.testing.slices import SIZE, TinySlices, copy_of, healthy_slices

BUDGET = Budget(steps=8, batch_size=4)
TRAINING = ("train-a", "train-b", "train-c")
Status = Literal["passed", "failed", "skipped", "excused", "noted"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found.

    Attributes:
        status: `skipped` if it does not apply or a required check failed; `excused` if the method declares that it
            cannot pass; `noted` if it passed with a remark.
        message: the reason, unless it passed.
    """

    check: str
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass
class Candidate:
    """A method under test: its class and hyperparameters.

    Attributes:
        pair: values of the fields `source` and `target`.
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
                raise ConfigError(f"{name} contains several methods: {', '.join(entries)}; choose one of them")
            name = next(iter(entries))
        return cls(registry.find("method", str(name), entries).load(), name=str(name))

    @property
    def excused(self) -> Mapping[str, str]:
        """Checks that the method declares it cannot pass, with the reasons."""
        return getattr(self.cls, "excused_checks", {})

    @property
    def whole_volume(self) -> bool:
        """Whether every call of `score` must receive all slices of a patient."""
        return bool(getattr(self.cls, "whole_volume", False))

    @property
    def needs(self) -> Modalities:
        """The modalities that the method needs."""
        return self.new().modalities

    def new(self) -> Method:
        """A fresh, unfitted instance."""
        return build_method(self.cls, self.params, pair=self.pair, name=self.name or self.cls.__name__)

    def compute(self, seed: int = 0) -> Compute:
        """A `Compute` for the candidate's device, with this seed."""
        return Compute(device=self.device, seed=seed)

    def fit(self, method: Method, train: SliceDataset | None = None) -> Method:
        """Fit a method within the kit's budget; restores the global state of the process."""
        with preserved():
            return method.fit(train or self.training_slices(), budget=BUDGET, compute=self.compute())

    def fitted(self) -> Method:
        """A method fitted on the training slices; each call returns an independent instance."""
        if self._fitted is None:
            self._fitted = self.fit(self.new())
        try:
            return copy.deepcopy(self._fitted)
        except (TypeError, RuntimeError):  # generators, for instance, cannot be copied
            return self.fit(self.new())

    def score(self, method: Method, batch: SliceBatch) -> Tensor:
        """Scores of a copy of the batch, as a separate tensor; restores the global state of the process."""
        with preserved():
            return method.score(copy_of(batch).to(self.device)).detach().clone()

    def training_slices(self, *, size: tuple[int, int] = SIZE, seed: int = 0) -> TinySlices:
        """Healthy slices with the channel order of `fit`; as in the harness, none for a method that is not trained."""
        modalities = self.needs.fit
        return healthy_slices(modalities, patients=TRAINING if modalities else (), size=size, seed=seed)

    def patient(self, name: str = "case-a", *, size: tuple[int, int] = SIZE) -> SliceBatch:
        """All slices of one unseen patient, with the channel order of `score`."""
        return healthy_slices(self.needs.score, patients=[name], size=size).batch
