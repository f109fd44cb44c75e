"""Check that the files of a run can be parsed, and that its record agrees with the requested experiment.

The digest of that experiment, in experiment.json, is part of the folder name.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uad_bench.data.preparation import LATER
from uad_bench.errors import ConfigError
from uad_bench.files import read_json
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import Finding
from uad_bench.runs.origin import StoredExperiment, run_digest
from uad_bench.runs.record import RunRecord

TASK = (
    "name", "dataset", "pair", "modalities", "slices", "size", "scaling", "field_of_view", "margin", "protocol"
)  # fmt: skip


def check_form(run: Run) -> list[Finding]:
    """Missing files of a run, and files that do not match the format of this version."""
    found = [*_check_form(run.record, RunRecord), *_check_form(run.experiment, StoredExperiment)]
    if run.manifest.exists():
        found += _check_form(run.manifest, Manifest)
    if not found and run.read_record().status != "failed" and not run.finished:
        found.append(Finding("DONE", "is missing: the run was not completed, or was changed later"))
    return found


def _check_form(path: Path, form: type[Document]) -> Iterator[Finding]:
    try:
        form.read(path)
    except ConfigError as error:
        yield Finding(path.name, f"cannot be read: {str(error).removeprefix(f'{path}: ')}")


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
