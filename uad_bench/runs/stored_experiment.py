"""The requested experiment of a run, stored as `experiment.json`."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from uad_bench.config import Task, read_toml
from uad_bench.data.preparation import LATER
from uad_bench.digests import digest_json
from uad_bench.method import Precision
from uad_bench.runs.document import Document
from uad_bench.runs.record import Weights

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
    maps: str | None = None
    npy_orientation: str | None = None
    members: dict[str, str] | None = None
