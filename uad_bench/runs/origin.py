"""The requested experiment of a run, stored as `experiment.json`, and weights that it takes from another run."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PlainSerializer

from uad_bench.config import Task, read_toml
from uad_bench.data.preparation import LATER
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError
from uad_bench.files import atomic, write_json
from uad_bench.method import Precision
from uad_bench.runs.checkpoints import is_intact, read_description
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run
from uad_bench.runs.record import Weights, WeightsOfRun

TOML = ".toml"


def identifying_fields(task: Task) -> dict[str, Any]:
    """Fields that define a run: all except the summary, and those that were added later only if they are set."""
    optional = {"whole_head": task.whole_head, "exclude": task.exclude, "perturb": task.perturb}
    unused = {"summary", *(name for name, given in optional.items() if not given)}
    unused |= {"train_patients"} if task.train_patients is None else set()
    unused |= {name for name, default in LATER.items() if getattr(task, name) == default}
    return {key: value for key, value in asdict(task).items() if key not in unused}


def _known_fields(task: Any) -> Any:
    """Drop fields from other versions of the task."""
    names = {field.name for field in fields(Task)}
    return {key: value for key, value in task.items() if key in names} if isinstance(task, dict) else task


def digest_protocol(task: Task) -> str | None:
    """Of what the file of a protocol says that is given by path; None for a shipped one."""
    if not task.protocol.endswith(TOML):
        return None
    return digest_json({key: value for key, value in read_toml(Path(task.protocol)).items() if key != "summary"})


def run_digest(identity: Mapping[str, Any]) -> str:
    """Names a run. A protocol's file counts by its content, wherever it lies."""
    if identity.get("protocol") is None:
        return digest_json(identity)
    return digest_json({**identity, "task": {**identity["task"], "protocol": None}})


class StoredExperiment(Document):
    """All settings that define a run; their digest is part of the name of the run folder.

    Attributes:
        source: digest of the method's code.
        protocol: digest of the protocol's file, if it is given by path.
        weights: of another run, if it starts from them.
        select: training steps between two measurements by which weights were selected.
        maps: digest of imported score maps; `npy_orientation` gives the orientation of their axes.
        members: digest of the score maps of each run that was combined, by its name.
    """

    method: str
    profile: str
    params: dict[str, Any]
    source: str | None = None
    task: Annotated[Task, BeforeValidator(_known_fields), PlainSerializer(identifying_fields)]
    data: str | None = None
    splits: tuple[str, ...]
    seed: int
    precision: Precision | None = None
    protocol: str | None = None
    weights: Weights | None = None
    select: int | None = None
    maps: str | None = None
    npy_orientation: str | None = None
    members: dict[str, str] | None = None


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
        with self.run.checkpoint.open("rb") as weights, atomic(target) as file:
            shutil.copyfileobj(weights, file)
