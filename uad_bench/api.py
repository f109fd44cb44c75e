"""The same verbs as on the command line, for Python: `uad_bench.run`, `score`, `evaluate`, `compare`, `leaderboard`.

Each reports its progress on standard error and returns something that prints as a table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from uad_bench import console
from uad_bench.benchmark.request import Guest, Request, run_request
from uad_bench.boards.result import find_metric
from uad_bench.errors import ConfigError, MethodError
from uad_bench.output.tables import run_table
from uad_bench.plugins import registry
from uad_bench.runs.folder import Run, open_run

RUNS = Path("runs")


@dataclass(frozen=True)
class Result:
    """A run beside the trivial baselines; prints as their table.

    Attributes:
        records: of the baselines and, last, of the method.
        runs: the folder of runs.
    """

    records: tuple[dict[str, Any], ...]
    runs: Path

    @property
    def record(self) -> dict[str, Any]:
        """All that is known of the run, as plain values."""
        return self.records[-1]

    @cached_property
    def path(self) -> Path:
        """The run's folder, with its score maps below `maps`."""
        return self.runs / str(self.record["run"])

    def metric(self, name: str, policy: str | None = None, aggregation: str = "pooled") -> float | None:
        """A number of the method, such as `metric("dice", "hFPR5")`; None where it is undefined.

        Raises:
            ConfigError: there is no such metric; the record's are named.
        """
        found = find_metric(self.record, name, policy, aggregation=aggregation)
        if found is None:
            known = sorted({m["name"] for m in self.record["metrics"]})
            raise ConfigError(f"no metric {name}@{policy or 'all'}/{aggregation}; this run has {', '.join(known)}")
        value: float | None = found["value"]
        return value

    def __str__(self) -> str:
        return as_text(run_table(self.records, runs=self.runs))

    __repr__ = __str__


def run(
    method: Any,
    task: str = "phantom",
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    runs: str | Path = RUNS,
    **options: Any,
) -> Result:
    """Train a method on healthy slices, score, evaluate, and show it beside the trivial baselines.

    Args:
        method: a registered name, the path of a plugin file, a class, or an object with its hyperparameters. Classes
            and objects run in this process; an object is left fitted.
        task: a shipped task, or the path of a task's TOML file.
        name: of the row; needed only where the class's name will not do.
        settings: as `--set`: hyperparameters, `budget.steps`, `task.<field>`.
        runs: the folder of runs.
        options: as on the command line: `data`, `pair`, `split`, `folds`, `seed`, `profile`, `device`, `baselines`,
            `plugins`, and `command`, with which a program scores and `method` only names its row.

    Raises:
        MethodError: the method failed; what it printed or raised is in `method.log` of its run folder.
        UadBenchError: the request or the data is wrong; the sentence says how.
    """
    guest = _guest(method, name, options.pop("command", None), settings or {})
    plugins = tuple(Path(path) for path in options.pop("plugins", ()))
    if guest is None and str(method).endswith(".py"):
        plugins = (*plugins, Path(method))
        method = _only_method(Path(method))
    request = Request(
        method=guest.entry.name if guest else str(method),
        task=task,
        data=Path(options.pop("data")) if options.get("data") else None,
        settings=tuple(f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()),
        plugins=plugins,
        runs=Path(runs),
        **options,
    )
    with console.reporting() as reporter:
        result = Result(tuple(run_request(request, reporter, guest=guest)), Path(runs))
    if result.record["status"] != "ok":
        raise MethodError(
            f"{request.method}: {result.record['message']} (see {Run(result.path).log})", reason=result.record["reason"]
        )
    return result


def score(
    run: "Result | str | Path",
    data: str | Path | None = None,
    task: str | None = None,
    *,
    runs: str | Path = RUNS,
    **options: Any,
) -> Result:
    """Apply the weights of a trained run to other patients; scored patients become a run like any other.

    Args:
        run: what `run` returned, or the name of a run (of a fold, where there are folds).
        data: folder with the patients, where the task's data is not embedded.
        task: how they lie there, and the protocol; by default the run's own.
        runs: the folder of runs, where the new one is put.
        options: `split`, `plugins`, `device`, as on the command line.

    Raises:
        MethodError: scoring failed.
        UadBenchError: the weights have seen a patient, or the request or the data is wrong.
    """
    from uad_bench.benchmark.score import Application, apply_run

    trained = Run(run.path) if isinstance(run, Result) else open_run(Path(runs), str(run))
    plugins = tuple(Path(path) for path in options.pop("plugins", ()))
    folder = Path(data) if data else None
    asked = Application(run=trained, data=folder, task=task, plugins=plugins, runs=Path(runs), **options)
    with console.reporting() as reporter:
        record = apply_run(asked, reporter)
    if record["status"] == "failed":
        raise MethodError(f"{record['run']}: {record['message']}", reason=record["reason"])
    return Result((record,), Path(runs))


def evaluate(maps: str | Path, task: str = "phantom", *, name: str, runs: str | Path = RUNS, **options: Any) -> Result:
    """Judge a folder of score maps that any program made; they become a run like any other.

    Args:
        maps: holds `<patient>.nii.gz` or `<patient>.npy` of every test patient.
        task: whose protocol holds.
        name: of the row.
        runs: the folder of runs.
        options: `data`, `split`, `threshold_maps` and `npy_orientation`, as on the command line.

    Raises:
        MethodError: a map is missing or is not what it should be.
    """
    from uad_bench.benchmark.evaluate_maps import Submission, evaluate_maps

    places = {key: Path(value) for key, value in options.items() if key in {"data", "threshold_maps"} and value}
    given = Submission(folder=Path(maps), name=name, task=task, **{**options, **places})
    with console.reporting() as reporter:
        record = evaluate_maps(given, runs=Path(runs), report=reporter)
    if record["status"] != "ok":
        raise MethodError(f"{name}: {record['message']}", reason=record["reason"])
    return Result((record,), Path(runs))


def compare(*results: "Result | str | Path", metric: str = "auprc", runs: str | Path = RUNS) -> "Versus":
    """Say whether one method beats another, by how much, how surely, and what it would take to know.

    Args:
        results: what `run` returned, or names of runs, of two methods or more; several seeds of one count together.
        metric: `auprc`, `auroc`, or with a threshold as `dice@hFPR5`.
        runs: the folder of runs.
    """
    from uad_bench.boards.comparison import compare as compute

    found = [Run(r.path) if isinstance(r, Result) else open_run(Path(runs), str(r)) for r in results]
    return Versus(compute(found, metric=metric))


@dataclass(frozen=True)
class Versus:
    """Methods compared in pairs; prints as tables with a sentence each.

    Attributes:
        comparison: the numbers behind them.
    """

    comparison: Any

    def __str__(self) -> str:
        from uad_bench.output.comparison_table import comparison_tables

        return as_text(comparison_tables(self.comparison))

    __repr__ = __str__


def leaderboard(task: str = "phantom", *, runs: str | Path = RUNS) -> "Board":
    """All runs of a task, ranked; without runs of it, the leaderboard that ships with the package."""
    from uad_bench.output.publishing import find_sheets

    sheets, origin = find_sheets(Path(runs), task)
    return Board(sheets, origin)


@dataclass(frozen=True)
class Board:
    """A leaderboard; prints as its table.

    Attributes:
        sheets: tables with headings, rows and notes.
        origin: where the rows come from.
    """

    sheets: Sequence[Any]
    origin: str

    def to(self, form: str) -> str:
        """As text: `md`, `csv`, `json`, `latex`, `html` or `table`."""
        from uad_bench.output.formats import FORMATS

        return FORMATS[form](self.sheets)

    def __str__(self) -> str:
        return self.to("table")

    __repr__ = __str__


def as_text(table: Any) -> str:
    """Anything that rich can print, as text of up to 160 columns."""
    with (terminal := console.stdout()).capture() as captured:
        terminal.print(table)
    return captured.get()


def _guest(method: Any, name: str | None, command: str | None, settings: Mapping[str, Any]) -> Guest | None:
    if command is not None:
        from uad_bench.execution.external_command import command_entry

        return Guest(command_entry(command, str(method)))
    if isinstance(method, str | Path):
        return None
    from uad_bench.execution.live import live_entry, live_params

    own = [key for key in settings if "." not in key]
    if own and not isinstance(method, type):
        raise ConfigError(f"settings {', '.join(own)}: give an object its hyperparameters when it is made")
    return Guest(live_entry(method, name), live_params(method))


def _only_method(file: Path) -> str:
    names = [entry.name for entry in registry.methods([file]).values() if entry.file]
    if len(names) > 1:
        raise ConfigError(f"{file} holds {', '.join(names)}; pass plugins=[{str(file)!r}] and one of these names")
    return names[0]
