"""Weights from another run: their source, their training patients, and copying them to a run folder."""

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
    """The run whose weights another run starts from.

    Attributes:
        further: whether training continues from them; otherwise they are applied unchanged.
    """

    run: Run
    further: bool

    @classmethod
    def of(cls, run: Run, *, further: bool) -> Self:
        """The weights of a stored run.

        Raises:
            ConfigError: the weights are missing or damaged.
        """
        if run.folds:
            raise ConfigError(
                f"{run.path}: has folds with separate weights; name one fold, such as {run.folds[0].path}"
            )
        if not is_intact(run.checkpoint):
            raise ConfigError(
                f"{run.path}: its weights are missing or damaged; run it again, or ask for a bundle made with --weights"
            )
        return cls(Run(run.path.resolve()), further)

    @property
    def asked(self) -> StoredExperiment:
        """The experiment that the weights come from."""
        return StoredExperiment.read(self.run.experiment)

    @property
    def training_set(self) -> dict[str, Any]:
        """Signatures of the images of all training patients, by id."""
        return read_description(self.run.checkpoint).training_set

    @property
    def weights(self) -> Weights:
        """The part that defines a run: the content of the weights, independent of their path."""
        return Weights(checkpoint=read_description(self.run.checkpoint).sha256, further=self.further)

    @property
    def named_weights(self) -> WeightsOfRun:
        """The weights with the name of their run and, if they are applied unchanged, its threshold hFPR5."""
        named = WeightsOfRun(run=self.run.name, **dict(self.weights))
        return named if self.further or self._hfpr5 is None else named.model_copy(update={"hfpr5": self._hfpr5})

    @property
    def _hfpr5(self) -> float | None:
        return self.run.read_record().thresholds.get("hFPR5") if self.run.record.exists() else None

    def copy_to(self, run: Run) -> None:
        """Copy the weights to the folder of `run`, unless it has its own."""
        target = run.initial if self.further else run.checkpoint
        if is_intact(run.checkpoint) or is_intact(target):
            return
        target.parent.mkdir(exist_ok=True)
        write_json(target.with_suffix(".json"), read_description(self.run.checkpoint).to_json())
        _copy(self.run.checkpoint, target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as weights, atomic(target) as file:
        shutil.copyfileobj(weights, file)
