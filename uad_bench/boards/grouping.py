"""Grouping of runs into rows: one per method and setting, over its seeds; repeated runs count once, the newest."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from uad_bench.boards.result import Result
from uad_bench.boards.row import Row
from uad_bench.errors import ConfigError
from uad_bench.runs.record import RunRecord

Setting = tuple[str, str]
WORKING = ("size", "scaling", "field_of_view", "centre", "resample", "margin")
"""Task settings of the slices that a method is trained and applied on; they do not change the evaluated voxels."""


def make_rows(results: Sequence[Result], *, baselines: Collection[str], bounds: Collection[str]) -> tuple[Row, ...]:
    """Rows, sorted by label.

    Args:
        results: comparable results of one task.
        baselines: built-in methods that every board must include; external maps of that name do not count.
        bounds: built-in methods that saw labels.

    Raises:
        ConfigError: a baseline has no run, not even a failed one.
    """
    missing = sorted(set(baselines) - {result.method for result in results if result.built_in})
    if missing:
        task = results[0].record.task.name if results else "TASK"
        raise ConfigError(
            f"the board of {task} lacks the trivial baselines {', '.join(missing)}; "
            f"one command runs all of them: uad-bench run --task {task} --method {missing[0]}"
        )
    kept = newest(results, baselines=baselines)
    settings: dict[Setting, list[Result]] = defaultdict(list)
    for result in kept:
        settings[setting(result, baselines)].append(result)
    labels = _labels(settings)
    asked = len({result.seed for result in kept})
    rows = [
        Row(
            labels[key],
            tuple(sorted(group, key=lambda result: result.seed)),
            asked=asked,
            baseline=key[0] in baselines and group[0].built_in,
            bound=key[0] in bounds and group[0].built_in,
        )
        for key, group in settings.items()
    ]
    return tuple(sorted(rows, key=lambda row: row.label))


def newest(results: Sequence[Result], *, baselines: Collection[str] = ()) -> list[Result]:
    """The newest run per setting and seed; if the method's code has changed, only runs of the newest code."""
    by_age = [(setting(r, baselines), r.experiment and r.experiment.source, r) for r in sorted(results, key=_age)]
    latest = {key: source for key, source, _ in by_age}
    return [*{(key, r.seed): r for key, source, r in by_age if source == latest[key]}.values()]


def setting(result: Result, baselines: Collection[str] = ()) -> Setting:
    """Settings that two runs must share to be seeds of one row: those of the method, and of the slices it works on.

    The task's training budget is ignored for trivial baselines, which are not trained.
    """
    record = result.record
    asked = result.experiment or record.method
    chosen = {
        "profile": asked.profile,
        "params": asked.params,
        "budget": None if result.method in baselines else asdict(record.budget),
        "folds": record.n_folds,
        "weights": record.method.weights and record.method.weights.to_json(),
        "select": record.method.select,
        "slices": working(record),
        "built_in": result.built_in,
    }
    return result.method, json.dumps(chosen, sort_keys=True)


def working(record: RunRecord) -> dict[str, Any]:
    """Values of `WORKING`; None where an older record lacks them."""
    return {name: getattr(record.task, name) for name in WORKING}


def _age(result: Result) -> tuple[str, str]:
    return result.record.created, result.name


def _labels(settings: Mapping[Setting, Sequence[Result]]) -> dict[Setting, str]:
    """The method's name per row; rows with the same name also state the settings in which they differ."""
    alike: dict[str, list[Setting]] = defaultdict(list)
    for key, group in sorted(settings.items(), key=lambda item: _age(item[1][0])):
        alike[_name(group[0])].append(key)
    labels: dict[Setting, str] = {}
    taken: dict[str, int] = defaultdict(int)
    for name, keys in alike.items():
        for key, difference in zip(keys, _differences([json.loads(key[1]) for key in keys]), strict=True):
            label = f"{name} ({difference})" if difference else name
            taken[label] += 1
            labels[key] = f"{label} #{taken[label]}" if taken[label] > 1 else label
    return labels


def _name(result: Result) -> str:
    """`ddpm (published, select=100) from task/ddpm/seed0-1a2b3c4d`.

    The profile unless it is the default, how weights were selected, and the run of reused weights.
    """
    method = result.record.method
    words = [method.profile] if method.profile not in {None, "default"} else []
    words += [f"select={method.select}"] if method.select else []
    name = f"{method.name} ({', '.join(map(str, words))})" if words else method.name
    return f"{name} from {method.weights.run}" if method.weights else name


def _differences(chosen: Sequence[Mapping[str, Any]]) -> list[str]:
    """`steps=5, margin=0` for each of several settings: its values of the settings that differ between them.

    These are hyperparameters, budget, slices and folds; `_name` already states the others.
    """
    flat = [
        {
            key: None if value is None else str(value)
            for table in (one["params"] or {}, one["budget"] or {}, one["slices"], {"folds": one["folds"]})
            for key, value in table.items()
        }
        for one in chosen
    ]
    keys = {key for one in flat for key in one}
    differing = sorted(key for key in keys if len({one.get(key) for one in flat}) > 1)
    return [", ".join(f"{key}={one[key]}" for key in differing if one.get(key) is not None) for one in flat]
