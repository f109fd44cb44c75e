"""Check that the files of a run exist and can be parsed."""

from collections.abc import Iterator
from pathlib import Path

from uad_bench.errors import ConfigError
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import Finding
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import RunRecord


def check_form(run: Run) -> list[Finding]:
    """Missing files of a run, and files that do not match the format of this version."""
    found = [*_check(run.record, RunRecord), *_check(run.experiment, StoredExperiment)]
    if run.manifest.exists():
        found += _check(run.manifest, Manifest)
    return found or [*_check_done(run)]


def _check(path: Path, form: type[Document]) -> Iterator[Finding]:
    try:
        form.read(path)
    except ConfigError as error:
        yield Finding(path.name, f"cannot be read: {str(error).removeprefix(f'{path}: ')}")


def _check_done(run: Run) -> Iterator[Finding]:
    if run.read_record().status != "failed" and not run.finished:
        yield Finding("DONE", "is missing: the run was not completed, or was changed later")
