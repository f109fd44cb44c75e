"""What a record says was run, against what was asked for: experiment.json, whose digest names the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from uad_bench.digests import digest_json
from uad_bench.files import read_json
from uad_bench.runs.findings import Finding
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord
from uad_bench.runs.stored_experiment import StoredExperiment

TASK = (
    "name", "dataset", "pair", "modalities", "slices", "size", "scaling", "field_of_view", "margin", "protocol"
)  # fmt: skip


def check_claims(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Method, parameters, seed, budget and task of the record."""
    asked = StoredExperiment.read(run.experiment)
    yield from _check_folder(run, asked)
    method, task = record.method, record.task
    pairs: dict[str, tuple[object, object]] = {
        "method name": (method.name, asked.method),
        "method profile": (method.profile, asked.profile),
        "method source": (method.source, asked.source),
        "seed": (record.seed, asked.seed),
        "budget": (record.budget, asked.task.budget),
        "task data_digest": (task.data_digest, asked.data),
        **{f"task {key}": (getattr(task, key), getattr(asked.task, key)) for key in TASK},
        **_parameters(method.params, asked.params),
    }
    for where, (claimed, known) in pairs.items():
        if claimed != known:
            yield Finding(f"record.json {where}", f"says {claimed!r}, experiment.json says {known!r}")


def _parameters(claimed: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """Those that were asked for; the method's own defaults stand in its source. A command has words instead."""
    return {} if "command" in claimed else {f"method params {k}": (claimed.get(k), asked[k]) for k in asked}


def _check_folder(run: Run, asked: StoredExperiment) -> Iterator[Finding]:
    """The folder is named for experiment.json; a fold's differs from its run's in the splits alone."""
    named, whole = run, asked
    if run.path.name.startswith("fold"):
        named = Run(run.path.parent)
        whole = StoredExperiment.read(named.experiment)
        same = whole.model_copy(update={"splits": asked.splits}) == asked
        if not same or not set(asked.splits) <= set(whole.splits):
            yield Finding("experiment.json", "is not that of a fold of its run")
    if not named.path.name.endswith(f"-{digest_json(read_json(named.experiment))[:8]}"):
        yield Finding("experiment.json", "is not what the folder is named for (digest differs)")
