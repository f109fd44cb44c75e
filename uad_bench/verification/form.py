"""Whether the files of a run can be read as what they are, before anything in them is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uad_bench.errors import ConfigError
from uad_bench.files import read_json
from uad_bench.runs.findings import Finding
from uad_bench.runs.folder import Run

Form = Mapping[str, type | tuple[type, ...]]
RECORD: Form = {
    "status": str, "metrics_version": int, "metrics": list, "groups": list, "thresholds": dict, "subjects": dict,
    "task": dict, "method": dict, "seed": int, "budget": dict, "chosen_on": dict, "size_cuts_mm3": list,
    "bootstrap": (dict, type(None)),
}  # fmt: skip
ROW: Form = {"name": str, "value": (int, float, type(None)), "policy": (str, type(None)), "aggregation": str}
EXPERIMENT: Form = {"method": str, "profile": str, "params": dict, "task": dict, "splits": list, "seed": int}
MANIFEST: Form = {"maps": dict, "checkpoint": (str, type(None))}


def check_form(run: Run) -> list[Finding]:
    """What is missing in a run, or is not of the form that this version writes."""
    found = [*_check(run.record, RECORD), *_check(run.experiment, EXPERIMENT)]
    if run.manifest.exists():
        found += _check(run.manifest, MANIFEST)
    return found or [*_check_entries(run), *_check_done(run)]


def _check(path: Path, form: Form) -> Iterator[Finding]:
    try:
        document = read_json(path)
    except ConfigError as error:
        yield Finding(path.name, f"cannot be read: {str(error).removeprefix(f'{path}: ')}")
        return
    yield from _check_keys(document, form, path.name)


def _check_keys(document: Any, form: Form, where: str) -> Iterator[Finding]:
    if not isinstance(document, dict):
        yield Finding(where, f"holds a {type(document).__name__}, not an object")
    elif lacking := [key for key, kind in form.items() if key not in document or not isinstance(document[key], kind)]:
        yield Finding(where, f"lacks {', '.join(lacking)}, or holds something else there")


def _check_entries(run: Run) -> Iterator[Finding]:
    record = read_json(run.record)
    for name in ("metrics", "groups"):
        for number, row in enumerate(record[name], 1):
            yield from _check_keys(row, ROW, f"record.json {name} {number}")
    if run.manifest.exists():
        for subject, entry in read_json(run.manifest)["maps"].items():
            yield from _check_keys(entry, {"sha256": str}, f"MANIFEST.json {subject}")


def _check_done(run: Run) -> Iterator[Finding]:
    if read_json(run.record)["status"] != "failed" and not run.finished:
        yield Finding("DONE", "is missing: the run was never completed, or was changed after")
