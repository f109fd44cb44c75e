"""Weights from another run: which run learned them, whom they know, and how they come into a run's own folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from uad_bench.errors import ConfigError
from uad_bench.files import atomic, write_json
from uad_bench.runs.checkpoints import is_intact, read_description
from uad_bench.runs.folder import Run
from uad_bench.runs.record import Weights, WeightsOfRun
from uad_bench.runs.stored_experiment import StoredExperiment


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run takes over instead of starting from nothing.

    Attributes:
        run: that learned the weights.
        further: training goes on from them; else they are applied as they are.
    """

    run: Run
    further: bool

    @classmethod
    def of(cls, run: Run, *, further: bool) -> Self:
        """The weights of a run that lies on disk.

        Raises:
            ConfigError: there are none, or they are not what was stored.
        """
        if run.folds:
            raise ConfigError(
                f"{run.path}: has folds, each with weights of its own; name one, such as {run.folds[0].path}"
            )
        if not is_intact(run.checkpoint):
            raise ConfigError(f"{run.path}: its weights are missing or damaged; run it again")
        return cls(Run(run.path.resolve()), further)

    @property
    def asked(self) -> StoredExperiment:
        """The request that the weights come from, as its run folder keeps it."""
        return StoredExperiment.read(self.run.experiment)

    @property
    def training_set(self) -> dict[str, Any]:
        """Digests of the images of everybody that the weights were trained on, by id."""
        return read_description(self.run.checkpoint).training_set

    @property
    def weights(self) -> Weights:
        """What of it defines a run: the weights' content, wherever they are located."""
        return Weights(checkpoint=read_description(self.run.checkpoint).sha256, further=self.further)

    @property
    def named_weights(self) -> WeightsOfRun:
        """The same, and the name of the run."""
        return WeightsOfRun(run=self.run.name, **dict(self.weights))

    def lend(self, run: Run) -> None:
        """Copy the weights to where `run` looks for them, unless it has its own."""
        target = run.initial if self.further else run.checkpoint
        if is_intact(run.checkpoint) or is_intact(target):
            return
        target.parent.mkdir(exist_ok=True)
        write_json(target.with_suffix(".json"), read_description(self.run.checkpoint).to_json())
        _copy(self.run.checkpoint, target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as weights, atomic(target) as file:
        shutil.copyfileobj(weights, file)
