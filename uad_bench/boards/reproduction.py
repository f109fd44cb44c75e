"""The command that reproduces a run, from the experiment stored in its folder."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from uad_bench.boards.result import Result
from uad_bench.config import Task, load_profile, load_task
from uad_bench.data.splits import EVERYBODY
from uad_bench.errors import ConfigError

NEVER_SET = {"name", "summary", "pair", "split", "budget"}


def command_of(result: Result) -> str:
    """`uad-bench run --method … --seed …` with every option that differs from the shipped task and profile.

    If the number of threads was set, it precedes the command, because the trained weights depend on it.
    """
    threads = result.record.environment.settings.get("OMP_NUM_THREADS")
    return (f"OMP_NUM_THREADS={shlex.quote(threads)} " if threads else "") + shlex.join(_words(result))


def _words(result: Result) -> list[str]:
    if result.experiment and result.experiment.members:
        return ["uad-bench", "combine", *result.experiment.members, "--name", result.method]
    weights = result.record.method.weights
    if weights and not weights.further:
        return ["uad-bench", "score", weights.run, *_applied(result)]
    words = ["uad-bench", "run", "--method", result.method, "--task", result.record.task.name]
    return [*words, *_choices(result), "--seed", str(result.seed)]


def _applied(result: Result) -> Iterator[str]:
    """Options of `score` that choose the patients."""
    task = result.record.task
    yield from ("--task", task.name)
    if task.dataset != "phantom":
        yield from ("--data", "DIR")
    if task.split.name != EVERYBODY:
        yield from ("--split", result.experiment.task.split if result.experiment else task.split.name)


def _choices(result: Result) -> Iterator[str]:
    record, asked = result.record, result.experiment
    task = _shipped(record.task.name)
    profile = (asked or record.method).profile or "default"
    if task is None or task.dataset != "phantom":
        yield from ("--data", "DIR")
    if record.method.weights:
        yield from ("--from", record.method.weights.run)
    if profile != "default":
        yield from ("--profile", profile)
    if record.n_folds:
        yield from ("--folds", str(record.n_folds))
    if asked is None:
        return
    if task is not None:
        yield from _changes_of_task(asked.task, task)
    for key, value in _changes_of_params(result.method, profile, asked.params).items():
        yield from ("--set", f"{key}={json.dumps(value)}")


def _changes_of_task(asked: Task, task: Task) -> Iterator[str]:
    if asked.pair != task.pair:
        yield from ("--pair", ":".join(asked.pair))
    if asked.split != task.split:
        yield from ("--split", asked.split)
    for key, value in asdict(asked.budget).items():
        if value != getattr(task.budget, key):
            yield from ("--set", f"budget.{key}={json.dumps(value)}")
    for field in fields(Task):
        value = getattr(asked, field.name)
        if field.name not in NEVER_SET and value != getattr(task, field.name):
            yield from ("--set", f"task.{field.name}={json.dumps(value)}")


def _changes_of_params(method: str, profile: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        shipped = load_profile(method, profile)[1].params
    except ConfigError:  # the profile is of another version, so every parameter is stated
        shipped = {}
    return {key: value for key, value in asked.items() if shipped.get(key) != value}


def _shipped(name: str) -> Task | None:
    try:
        return load_task(name)
    except ConfigError:
        return None
