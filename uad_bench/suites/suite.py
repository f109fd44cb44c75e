"""A suite is a TOML file whose lists are multiplied into cells; each cell is one request."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from uad_bench.benchmark.request import Request
from uad_bench.config import load_task, read_toml, require_file, validate
from uad_bench.errors import ConfigError, unknown
from uad_bench.plugins.registry import baseline_methods
from uad_bench.resources import resource_names, resource_path

FOLDER = "configs/suites"
TRAIN_PATIENTS = "task.train_patients"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The runs of a suite: the product of all lists.

    Attributes:
        name: name in tables; by default that of the file.
        summary: one line about the suite.
        methods: names of registered methods.
        tasks: names of tasks, or paths of their TOML files.
        pairs: modality pairs such as `flair:t2`; by default the task's own.
        seeds: seeds of every method that is trained.
        profile: profile of the methods' hyperparameters, such as `published`.
        folds: number of cross-validation folds per cell; 0 uses the task's split.
        split: as with `run --split`.
        baselines: whether to add the trivial baselines once per task and pair.
        start_from: run whose weights a method starts from, by method; as with `run --from`.
        select: steps between the measurements by which weights are selected, as with `run --select`.
        train_patients: sizes of the training set, such as `[0, 5, 20]`; by default all of the split's patients.
        gpus: number of GPUs per machine that share each training.
        nodes: number of machines that share each training; more than one needs Slurm.
        settings: `KEY=VALUE`, as with `run --set`.
        data: folder with the patients of each task; relative ones to the suite's file.
        plugins: plugin files to add; paths are relative to the suite's file.
        slurm: options of the Slurm executor, with submitit's names (`slurm_partition`, `timeout_min`, ...).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str = ""
    summary: str = ""
    methods: list[str]
    tasks: list[str]
    pairs: list[str] = field(default_factory=list)
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = field(default_factory=lambda: [0])
    profile: str | None = None
    folds: Annotated[int, Field(ge=0)] = 0
    split: str | None = None
    settings: list[str] = field(default_factory=list)
    data: dict[str, Path] = field(default_factory=dict)
    plugins: list[Path] = field(default_factory=list)
    baselines: bool = True
    start_from: dict[str, str] = field(default_factory=dict)
    select: Annotated[int, Field(ge=1)] | None = None
    train_patients: list[Annotated[int, Field(ge=0)]] = field(default_factory=list)
    gpus: Annotated[int, Field(ge=1)] = 1
    nodes: Annotated[int, Field(ge=1)] = 1
    slurm: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a suite.

    Attributes:
        name: unique in the suite, and valid as a file name.
    """

    name: str
    request: Request

    def command(self) -> list[str]:
        """Command line of the process that runs this cell."""
        return [sys.executable, "-m", "uad_bench", *self.arguments()]

    def arguments(self) -> list[str]:
        """Arguments of `uad-bench` that run this cell."""
        asked = self.request
        options = {
            "--method": asked.method,
            "--task": asked.task,
            "--data": asked.data,
            "--pair": asked.pair,
            "--split": asked.split,
            "--from": asked.start_from,
            "--select": asked.select,
            "--profile": asked.profile,
            "--device": asked.device,
            "--gpus": asked.gpus if asked.gpus > 1 else None,
            "--nodes": asked.nodes if asked.nodes > 1 else None,
            "--runs": asked.runs,
            "--seed": asked.seed,
            "--folds": asked.folds,
        }
        given = [str(part) for key, value in options.items() if value is not None for part in (key, value)]
        settings = [part for setting in asked.settings for part in ("--set", setting)]
        plugins = [str(part) for plugin in asked.plugins for part in ("--plugin", plugin)]
        return ["run", *given, *settings, *plugins, "--no-baselines", "--json"]


def load_suite(name: str) -> Suite:
    """Load a suite from a TOML file, or a shipped one by name.

    Raises:
        ConfigError: there is no such suite, or a key or value in it is invalid.
    """
    path = Path(name) if name.endswith(".toml") else resource_path(f"{FOLDER}/{name}.toml")
    require_file(path, "suite", name, resource_names(FOLDER, ".toml"))
    suite = validate(Suite, {"name": path.stem, **read_toml(path)}, path.name)
    data = {task: path.parent / folder.expanduser() for task, folder in suite.data.items()}
    suite = replace(suite, data=data, plugins=[path.parent / plugin for plugin in suite.plugins])
    for task in suite.data:
        if task not in suite.tasks:
            raise unknown(f"task in the data of suite {suite.name}", task, suite.tasks)
    for task in suite.tasks:
        load_task(task)
    return suite


def cells_of(suite: Suite, common: Request) -> list[Cell]:
    """All cells, baselines first.

    Args:
        common: settings shared by all cells: data, device, runs folder.

    Raises:
        ConfigError: two cells have the same name.
    """
    cells = [*_baseline_cells(suite, common), *_method_cells(suite, common)]
    names = Counter(cell.name for cell in cells)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(f"suite {suite.name}: duplicate cell {twice[0]}; list each method, task, pair and seed once")
    return cells


def _method_cells(suite: Suite, common: Request) -> Iterator[Cell]:
    asked = replace(
        common,
        profile=suite.profile,
        settings=tuple(suite.settings),
        select=suite.select,
        gpus=suite.gpus,
        nodes=suite.nodes,
    )
    sizes: list[int | None] = [*suite.train_patients] or [None]
    for task, pair, method, seed, size in product(suite.tasks, _pairs(suite), suite.methods, suite.seeds, sizes):
        few = () if size is None else (f"{TRAIN_PATIENTS}={size}",)
        one = replace(asked, method=method, task=task, pair=pair, seed=seed, start_from=suite.start_from.get(method))
        yield _cell(suite, replace(one, settings=(*asked.settings, *few)))


def _baseline_cells(suite: Suite, common: Request) -> Iterator[Cell]:
    """Baselines ignore all settings but the task's, and run with one seed, since they are not trained."""
    asked = replace(common, settings=tuple(setting for setting in suite.settings if setting.startswith("task.")))
    names = [name for name in baseline_methods() if suite.baselines and name not in suite.methods]
    for task, pair, method in product(suite.tasks, _pairs(suite), names):
        yield _cell(suite, replace(asked, method=method, task=task, pair=pair, seed=suite.seeds[0]))


def _cell(suite: Suite, asked: Request) -> Cell:
    data = asked.data or suite.data.get(asked.task)
    request = replace(asked, data=data, folds=suite.folds, split=suite.split, baselines=False)
    return Cell(_name(request), request)


def _pairs(suite: Suite) -> list[str | None]:
    return [*suite.pairs] or [None]


def _name(request: Request) -> str:
    pair = f"-{request.pair.replace(':', '-')}" if request.pair else ""
    few = [value for key, _, value in (text.partition("=") for text in request.settings) if key == TRAIN_PATIENTS]
    size = f"-{few[-1]}patients" if few else ""
    return f"{Path(request.task).stem}{pair}-{request.method}{size}-seed{request.seed}"
