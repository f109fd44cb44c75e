"""The command that makes a run again, from what the run folder says was asked for."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from uad_bench.boards.result import Result
from uad_bench.config import Task, load_profile, load_task
from uad_bench.data.splits import EVERYBODY
from uad_bench.errors import ConfigError

NEVER_SET = {"name", "summary", "pair", "split", "budget"}


def command_of(result: Result) -> str:
    """`uad-bench run --method … --seed …` with every choice that differs from the shipped task and profile.

    Where the number of threads was chosen it stands in front: another number trains other weights.
    """
    threads = result.record.get("environment", {}).get("settings", {}).get("OMP_NUM_THREADS")
    return (f"OMP_NUM_THREADS={shlex.quote(threads)} " if threads else "") + shlex.join(_words(result))


def _words(result: Result) -> list[str]:
    weights = result.record["method"].get("weights")
    if weights and not weights["further"]:
        return ["uad-bench", "score", weights["run"], *_applied(result)]
    words = ["uad-bench", "run", "--method", result.method, "--task", str(result.record["task"]["name"])]
    return [*words, *_choices(result), "--seed", str(result.seed)]


def _applied(result: Result) -> Iterator[str]:
    """Whom the weights of another run were applied to."""
    task = result.record["task"]
    yield from ("--task", str(task["name"]))
    if task["dataset"] != "phantom":
        yield from ("--data", "DIR")
    if task["split"]["name"] != EVERYBODY:
        yield from ("--split", str(result.experiment.get("task", {}).get("split", task["split"]["name"])))


def _choices(result: Result) -> Iterator[str]:
    record, asked = result.record, result.experiment
    task = _shipped(record["task"]["name"])
    profile = str(asked.get("profile", record["method"].get("profile", "default")))
    if task is None or task.dataset != "phantom":
        yield from ("--data", "DIR")
    if weights := record["method"].get("weights"):
        yield from ("--from", weights["run"])
    if profile != "default":
        yield from ("--profile", profile)
    if record.get("n_folds"):
        yield from ("--folds", str(record["n_folds"]))
    if task is not None:
        yield from _changes_of_task(asked.get("task", {}), task)
    for key, value in _changes_of_params(result.method, profile, asked.get("params", {})).items():
        yield from ("--set", f"{key}={json.dumps(value)}")


def _changes_of_task(asked: Mapping[str, Any], task: Task) -> Iterator[str]:
    pair, split, budget = asked.get("pair"), asked.get("split"), asked.get("budget", {})
    if pair and tuple(pair) != task.pair:
        yield from ("--pair", ":".join(pair))
    if split and split != task.split:
        yield from ("--split", str(split))
    for key, value in budget.items():
        if value != getattr(task.budget, key, value):
            yield from ("--set", f"budget.{key}={json.dumps(value)}")
    for key, value in asked.items():
        if key not in NEVER_SET and _plain(getattr(task, key, value)) != _plain(value):
            yield from ("--set", f"task.{key}={json.dumps(value)}")


def _changes_of_params(method: str, profile: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        shipped = load_profile(method, profile)[1].params
    except ConfigError:  # another version's profile: then every parameter is said
        shipped = {}
    return {key: value for key, value in asked.items() if shipped.get(key) != value}


def _shipped(name: str) -> Task | None:
    try:
        return load_task(name)
    except ConfigError:
        return None


def _plain(value: Any) -> Any:
    """As JSON brings it back: tuples are lists."""
    return json.loads(json.dumps(value))
