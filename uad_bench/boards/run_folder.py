"""Results from a folder of runs: records, replicates, digests of maps, failed runs too."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.boards.reproduction import command_of
from uad_bench.boards.result import Result, Values
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import read_json
from uad_bench.fingerprint import digest_file
from uad_bench.replicates import load_replicates
from uad_bench.runs import Run, find_runs


def read_results(root: Path, task: str, *, verify: bool = False) -> list[Result]:
    """All runs of a task, failed ones too, sorted by path.

    Args:
        root: the runs folder.
        task: name of the task.
        verify: compare every map with its digest first.

    Raises:
        ConfigError: there are none.
        VerificationError: a map is not the one that was scored.
    """
    runs = find_runs(root, task)
    if not runs:
        raise ConfigError(
            f"no runs of task {task!r} in {root}; make one with: uad-bench run --task {task} --method NAME"
        )
    return [read_result(run, verify=verify) for run in runs]


def read_result(run: Run, *, verify: bool = False) -> Result:
    """One run as a leaderboard sees it."""
    record = run.read_record()
    maps = _map_digests(run)
    complete = record["status"] == "ok" and bool(maps) and all(_map_files(run).get(name) for name in maps)
    if verify and complete:
        _require_digests(run, maps)
    result = Result(
        record=record,
        replicates=_replicates(run) if record["status"] == "ok" else {},
        maps=maps,
        experiment=_experiment(run),
        verified=verify and complete,
        present=complete,
    )
    return replace(result, command=command_of(result))


def _replicates(run: Run) -> dict[str, Values]:
    """As precise as a stored leaderboard keeps them, so that both give the same ranks."""
    if not run.replicates.exists():
        return {}
    return {key: values.astype(np.float32).astype(np.float64) for key, values in load_replicates(run).items()}


def _map_digests(run: Run) -> dict[str, str]:
    """SHA-256 by subject, of all folds where there are folds; folds score validation patients too, and those repeat."""
    if run.folds:
        return {f"{fold.path.name}/{name}": d for fold in run.folds for name, d in _map_digests(fold).items()}
    if not run.manifest.exists():
        return {}
    return {name: entry["sha256"] for name, entry in read_json(run.manifest)["maps"].items()}


def _map_files(run: Run) -> dict[str, Path]:
    """Existing maps by the same names as their digests."""
    if run.folds:
        return {f"{fold.path.name}/{name}": path for fold in run.folds for name, path in _map_files(fold).items()}
    names: Sequence[str] = list(_map_digests(run))
    return {name: run.map(name) for name in names if run.map(name).exists()}


def _require_digests(run: Run, digests: dict[str, str]) -> None:
    changed = [name for name, path in _map_files(run).items() if digest_file(path) != digests[name]]
    if changed:
        raise VerificationError(
            f"{run.path}: the score map of {', '.join(changed[:3])} is not the one that was scored; "
            "remove the run and make it again"
        )


def _experiment(run: Run) -> dict[str, Any]:
    """What was asked for; folds keep it in their own folders."""
    for path in (run.experiment, *(fold.experiment for fold in run.folds)):
        if path.exists():
            return dict(read_json(path))
    return {}
