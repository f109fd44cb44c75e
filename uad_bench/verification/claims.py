"""Check a record against the requested experiment in experiment.json, whose digest is part of the folder name."""

from collections.abc import Iterator, Mapping
from typing import Any

from uad_bench.data.preparation import LATER
from uad_bench.files import read_json
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import Finding
from uad_bench.runs.origin import StoredExperiment, run_digest
from uad_bench.runs.record import RunRecord

TASK = (
    "name", "dataset", "pair", "modalities", "slices", "size", "scaling", "field_of_view", "margin", "protocol"
)  # fmt: skip


def check_claims(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Check method, parameters, seed, budget and task of the record."""
    asked = StoredExperiment.read(run.experiment)
    yield from _check_folder(run, asked)
    method, task = record.method, record.task
    pairs: dict[str, tuple[object, object]] = {
        "method name": (method.name, asked.method),
        "method profile": (method.profile, asked.profile),
        "method source": (method.source, asked.source),
        "seed": (record.seed, asked.seed),
        "budget": (record.budget, asked.task.budget),
        "task protocol_digest": (task.protocol_digest, asked.protocol),
        "task data_digest": (task.data_digest, asked.data),
        **{f"task {key}": (getattr(task, key), getattr(asked.task, key)) for key in TASK},
        **{f"task {key}": (getattr(task, key) or usual, getattr(asked.task, key)) for key, usual in LATER.items()},
        **_parameters(method.params, asked.params),
    }
    for where, (claimed, known) in pairs.items():
        if claimed != known:
            yield Finding(f"record.json {where}", f"is {claimed!r}, experiment.json has {known!r}")


def _parameters(claimed: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """Requested parameters only; defaults are covered by the source digest, and commands have no parameters."""
    return {} if "command" in claimed else {f"method params {k}": (claimed.get(k), asked[k]) for k in asked}


def _check_folder(run: Run, asked: StoredExperiment) -> Iterator[Finding]:
    """Check the folder name against experiment.json; a fold may differ from its run in the splits only."""
    named, whole = run, asked
    if run.path.name.startswith("fold"):
        named = Run(run.path.parent)
        whole = StoredExperiment.read(named.experiment)
        same = whole.model_copy(update={"splits": asked.splits}) == asked
        if not same or not set(asked.splits) <= set(whole.splits):
            yield Finding("experiment.json", "does not match the experiment of its run")
    if not named.path.name.endswith(f"-{run_digest(read_json(named.experiment))[:8]}"):
        yield Finding("experiment.json", "does not match the folder name (digest differs)")
