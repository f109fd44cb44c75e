"""The requested experiment of a run, stored as `experiment.json`."""

from dataclasses import asdict, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from uad_bench.config import Task
from uad_bench.runs.document import Document
from uad_bench.runs.record import Weights


def identifying_fields(task: Task) -> dict[str, Any]:
    """Fields that define a run: all except the summary; `whole_head` and `exclude` only if they are set."""
    optional = {"whole_head": task.whole_head, "exclude": task.exclude}
    unused = {"summary", *(name for name, given in optional.items() if not given)}
    return {key: value for key, value in asdict(task).items() if key not in unused}


def _known_fields(task: Any) -> Any:
    """Drop fields from other versions of the task."""
    names = {field.name for field in fields(Task)}
    return {key: value for key, value in task.items() if key in names} if isinstance(task, dict) else task


class StoredExperiment(Document):
    """All settings that define a run; their digest is part of the name of the run folder.

    Attributes:
        source: digest of the method's code.
        data: digest of the patients' images.
        splits: digest of each split.
        weights: of another run, if it starts from them.
        maps: digest of imported score maps; `npy_orientation` gives the orientation of their axes.
    """

    method: str
    profile: str
    params: dict[str, Any]
    source: str | None = None
    task: Annotated[Task, BeforeValidator(_known_fields), PlainSerializer(identifying_fields)]
    data: str | None = None
    splits: tuple[str, ...]
    seed: int
    weights: Weights | None = None
    maps: str | None = None
    npy_orientation: str | None = None
