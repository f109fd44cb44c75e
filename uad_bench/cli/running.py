"""`uad-bench run` and `uad-bench score`."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uad_bench.cli.options import (
    RUNS,
    AsJson,
    Data,
    Device,
    Exclude,
    Plugins,
    Runs,
    Settings,
    Task,
    complete_method,
    complete_run,
    print_json,
    root_of,
)
from uad_bench.errors import ConfigError

if TYPE_CHECKING:
    from uad_bench.benchmark.request import AdHocMethod, Request


TimeLimit = Annotated[
    float | None, typer.Option(min=0, metavar="S", help="Stop a method after this many seconds per stage.")
]
MemoryLimit = Annotated[float | None, typer.Option(min=0, metavar="MIB", help="Stop a method above this memory (MiB).")]


def run(
    method: Annotated[
        str | None,
        typer.Argument(
            help="A registered method (see [b]list methods[/b]), or a file with one.",
            show_default=False,
            autocompletion=complete_method,
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", metavar="NAME", help="The method, given as an option.", show_default=False),
    ] = None,
    task: Task = "phantom",
    data: Data = None,
    pair: Annotated[str | None, typer.Option(help="Input modality and translation target, such as flair:t2.")] = None,
    split: Annotated[str | None, typer.Option(help="hash, dataset, or a list of patients.")] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="K-fold cross-validation: train K models and test every patient once.")
    ] = 0,
    exclude: Exclude = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    profile: Annotated[str | None, typer.Option(help="default or published.")] = None,
    settings: Settings = None,
    plugin: Plugins = None,
    command: Annotated[
        str | None,
        typer.Option(help="Score with a program, such as 'python predict.py {images} {out}'; --method names it."),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Continue training from this run's weights.", show_default=False),
    ] = None,
    select: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Every N steps, score anomalies implanted in held-out training patients; keep the best weights.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    gpus: Annotated[int, typer.Option(min=1, help="Number of GPUs (per machine) for training and scoring.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Number of machines; outside a job, submits one to Slurm.")] = 1,
    baselines: Annotated[bool, typer.Option(help="Also run the untrained baselines.")] = True,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    check_determinism: Annotated[
        bool, typer.Option("--check-determinism", help="Run twice and compare the results byte for byte.")
    ] = False,
    reconstructions: Annotated[
        bool, typer.Option("--reconstructions", help="Also store and evaluate pseudo-healthy images.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write training curves for TensorBoard into the run folder.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only time twenty steps, and say what the run would take.")
    ] = False,
    difference: Annotated[
        float, typer.Option(min=0.001, max=1, help="Difference in AUPRC that --plan is to make visible.")
    ] = 0.05,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Train a method on healthy slices, evaluate it, and compare it with untrained baselines."""
    from uad_bench.benchmark.nodes import this_node
    from uad_bench.benchmark.request import Request, run_request
    from uad_bench.console import reporting, stderr, stdout
    from uad_bench.execution.isolation import Limits
    from uad_bench.output.tables import run_table
    from uad_bench.output.verdict import next_steps, verdict

    files = list(plugin or ())
    chosen = _only([*([method] if method else []), *(methods or ())], files)
    if command is None:
        _check_known(chosen, files)
    request = Request(
        method=chosen,
        task=task,
        data=root_of(data),
        pair=pair,
        split=split,
        folds=folds,
        exclude=tuple(exclude or ()),
        seed=seed,
        profile=profile,
        settings=tuple(settings or ()),
        plugins=tuple(files),
        start_from=start_from,
        select=select,
        device=device,
        gpus=gpus,
        nodes=nodes,
        baselines=baselines,
        runs=Path(runs),
        limits=Limits(time_limit, memory_limit),
        check_determinism=check_determinism,
        reconstructions=reconstructions,
        tensorboard=tensorboard,
    )
    if plan:
        _plan(request, difference, as_json=json)
        return 0
    if nodes > 1 and this_node(nodes) is None:
        from uad_bench.suites.slurm import submit_run

        job = submit_run(sys.argv[1:], folder=Path(runs) / ".suites" / "run", nodes=nodes, gpus=gpus)
        stderr().print(f"queued as Slurm job {job} on {nodes} machines; log: {runs}/.suites/run/slurm/{job}_0_log.out")
        return 0
    with reporting() as reporter:
        records = run_request(request, reporter, ad_hoc=_command_method(command, chosen))
    if not records:
        return 0  # another machine evaluates and reports
    if json:
        print_json(records[-1].to_json())
    else:
        stdout().print(run_table(records, runs=runs))
        if answer := verdict(records, Path(runs)):
            stdout().print(answer, markup=False)
        for line in next_steps(records[-1], Path(runs), files):
            stderr().print(line, markup=False, soft_wrap=True)
    return 2 if any(record.status != "ok" for record in records) else 0


def _plan(request: "Request", difference: float, *, as_json: bool) -> None:
    from uad_bench.console import reporting, stdout
    from uad_bench.suites.plan import plan_run, sentences

    with reporting() as reporter:
        planned = plan_run(request, reporter, difference=difference)
    if as_json:
        print_json({**asdict(planned), "fit_s": planned.fit_s, "total_s": planned.total_s})
        return
    for line in sentences(planned):
        stdout().print(line, markup=False)


def _only(methods: list[str], plugins: list[Path]) -> str:
    """The name of the only method given; if it is given as a file, the file is added to the plugins."""
    from uad_bench.api.arguments import named_method

    if len(methods) > 1:
        raise ConfigError(f"{len(methods)} methods given ({', '.join(methods)}): give one, or use a suite for several")
    if not methods and len(plugins) == 1:
        return named_method(str(plugins.pop()), plugins)
    if not methods:
        raise ConfigError("no method given: uad-bench run METHOD; see uad-bench list methods")
    return named_method(methods[0], plugins)


def _check_known(name: str, plugins: list[Path]) -> None:
    """Suggest a file in the working directory that is named like an unknown method."""
    from uad_bench.plugins.registry import methods

    file = Path(f"{name.replace('-', '_')}.py")
    if name not in methods(plugins) and file in Path().iterdir():
        raise ConfigError(f"unknown method {name!r}; for the file here: uad-bench run {file}")


def _command_method(command: str | None, name: str) -> "AdHocMethod | None":
    if command is None:
        return None
    from uad_bench.benchmark.request import AdHocMethod
    from uad_bench.execution.external_command import command_entry

    return AdHocMethod(command_entry(command, name))


def score(
    run: Annotated[
        str,
        typer.Argument(
            help="A trained run (with cross-validation, one of its folds), or a bundle with weights.",
            autocompletion=complete_run,
        ),
    ],
    data: Data = None,
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="Task that describes the data and the protocol; by default the run's."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Score its validation and test patients; by default all.")] = None,
    exclude: Exclude = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:LEVEL]",
            help="Simulate an artefact in all scans and print the change of the metrics: bias-field, noise, gamma, "
            "resolution or ghosting; mild, moderate or severe. Repeatable; 'all' takes every kind and level.",
        ),
    ] = None,
    plugin: Plugins = None,
    device: Device = "auto",
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> int:
    """Apply a trained run to another cohort: write score maps and, with reference labels, compute metrics.

    Modality pair, slice size and intensity scaling are those used in training, whatever the task specifies.
    """
    from uad_bench.benchmark.score import Application, apply_run
    from uad_bench.console import reporting, stderr, stdout
    from uad_bench.execution.isolation import Limits
    from uad_bench.output.tables import run_table, shift_table
    from uad_bench.runs.opening import open_run

    asked = Application(
        run=open_run(runs, run),
        data=root_of(data),
        task=task,
        split=split,
        exclude=tuple(exclude or ()),
        plugins=tuple(plugin or ()),
        device=device,
        runs=runs,
        limits=Limits(time_limit, memory_limit),
    )
    with reporting() as reporter:
        if perturb:
            records = [apply_run(replace(asked, perturb=each), reporter) for each in _perturbations(perturb)]
        else:
            record = apply_run(asked, reporter)
    if perturb:
        if json:
            print_json([each.to_json() for each in records])
        else:
            stdout().print(shift_table(asked.run.read_record(), records))
        return 2 if any(each.status == "failed" for each in records) else 0
    if json:
        print_json(record.to_json())
    elif record.status == "ok":
        stdout().print(run_table([record], runs=runs))
    if record.status == "failed":
        stderr().print(f"FAILED({record.reason}): {record.message}", markup=False)
        return 2
    if record.status == "unlabelled":
        maps = Path(runs) / record.run / "maps"
        stderr().print(
            f"{len(record.subjects.test)} score maps in {maps}; no reference labels found, metrics not computed"
        )
    return 0


def _perturbations(asked: Sequence[str]) -> list[str]:
    from uad_bench.data.perturbation import LEVELS, PERTURBATIONS, Perturbation

    every = [f"{kind}:{level}" for kind in PERTURBATIONS for level in LEVELS]
    return every if "all" in asked else [str(Perturbation.parse(text)) for text in asked]
