"""What a record says was run, against what was asked for: experiment.json, whose digest names the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from uad_bench.digests import digest_json
from uad_bench.files import read_json
from uad_bench.runs.findings import Finding
from uad_bench.runs.folder import Run

TASK = (
    "name", "dataset", "pair", "modalities", "slices", "size", "scaling", "field_of_view", "margin", "protocol"
)  # fmt: skip


def check_claims(run: Run, record: Mapping[str, Any]) -> Iterator[Finding]:
    """Method, parameters, seed, budget and task of the record."""
    asked = read_json(run.experiment)
    yield from _check_folder(run, asked)
    method, task = record["method"], record["task"]
    pairs = {
        "method name": (method.get("name"), asked["method"]),
        "method profile": (method.get("profile"), asked["profile"]),
        "method source": (method.get("source"), asked.get("source")),
        "seed": (record["seed"], asked["seed"]),
        "budget": (record["budget"], asked["task"].get("budget")),
        "task data_digest": (task.get("data_digest"), asked.get("data")),
        **{f"task {key}": (task.get(key), asked["task"].get(key)) for key in TASK},
        **_parameters(method.get("params", {}), asked["params"]),
    }
    for where, (claimed, known) in pairs.items():
        if claimed != known:
            yield Finding(f"record.json {where}", f"says {claimed!r}, experiment.json says {known!r}")


def _parameters(claimed: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Those that were asked for; the method's own defaults stand in its source. A command has words instead."""
    return {} if "command" in claimed else {f"method params {k}": (claimed.get(k), asked[k]) for k in asked}


def _check_folder(run: Run, asked: Mapping[str, Any]) -> Iterator[Finding]:
    """The folder is named for experiment.json; a fold's differs from its run's in the splits alone."""
    named, whole = run.path, asked
    if run.path.name.startswith("fold"):
        parent = Run(run.path.parent)
        named, whole = parent.path, read_json(parent.experiment)
        if {**whole, "splits": asked["splits"]} != asked or not set(asked["splits"]) <= set(whole["splits"]):
            yield Finding("experiment.json", "is not that of a fold of its run")
    if not named.name.endswith(f"-{digest_json(whole)[:8]}"):
        yield Finding("experiment.json", "is not what the folder is named for (digest differs)")
