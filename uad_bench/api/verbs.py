"""Functions of the Python interface."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from uad_bench import console
from uad_bench.api.arguments import ad_hoc_method, as_path, as_text, name_of, named_method, near_names, opened
from uad_bench.api.results import Board, Comparison, OverallBoard, ReportPage, Result
from uad_bench.benchmark.request import Request, run_request
from uad_bench.errors import ConfigError, MethodError
from uad_bench.execution.isolation import Limits
from uad_bench.runs.folder import Run, find_runs, runs_folder

Device = Literal["auto", "cpu", "cuda"]


@near_names
def run(
    method: Any,
    task: str | Path = "phantom",
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    data: str | Path | None = None,
    pair: str | None = None,
    split: str | Path | None = None,
    folds: int = 0,
    seed: int = 0,
    profile: str | None = None,
    plugins: Sequence[str | Path] = (),
    command: str | None = None,
    start_from: Result | str | Path | None = None,
    select: int | None = None,
    device: Device = "auto",
    gpus: int = 1,
    baselines: bool = True,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    check_determinism: bool = False,
    reconstructions: bool = False,
    tensorboard: bool = False,
    runs: str | Path | None = None,
) -> Result:
    """Train a method on healthy slices, evaluate it, and compare it with untrained baselines.

    Args:
        method: a registered name, the path of a plugin file, a class, or an object with its hyperparameters. Classes
            and objects run in this process; an object is left fitted.
        task: a shipped task, or the path of a task's TOML file.
        name: name of the method in tables; by default derived from the class.
        settings: hyperparameters, `budget.steps` and `task.<field>`, as with `--set`.
        data: folder with the patients; not needed for tasks with embedded data.
        pair: input modality and translation target, such as `flair:t2`.
        split: `hash`, `dataset`, a shipped list, or the path of a list.
        folds: number of cross-validation folds; 0 for a single split.
        seed: seed of initialisation, data order and noise.
        profile: named hyperparameters of the method, such as `published`.
        plugins: Python files with additional methods.
        command: a program that computes scores, such as `python predict.py {images} {out}`; `method` is then its name
            in tables.
        start_from: a run of the same method; training continues from its weights.
        select: keep the weights of the best step instead of the last; every so many training steps, anomalies
            implanted in held-out training patients are scored.
        device: where the method computes; `auto` uses a GPU if there is one.
        gpus: number of GPUs for training and scoring.
        baselines: also run the untrained baselines.
        time_limit: seconds after which a stage of the method is stopped.
        memory_limit: MiB above which the method is stopped.
        check_determinism: run twice and compare the score maps.
        reconstructions: also store and evaluate pseudo-healthy images, if the method computes them.
        tensorboard: also write training curves for TensorBoard into the run folder.
        runs: the folder of runs; by default UAD_BENCH_RUNS, else `runs`.

    Raises:
        MethodError: the method failed; its output and traceback are in `method.log` of the run folder.
        UadBenchError: the request or the data is invalid.
    """
    ad_hoc = ad_hoc_method(method, name, command, settings or {})
    files = [Path(path) for path in plugins]
    chosen = ad_hoc.entry.name if ad_hoc else named_method(str(method), files)
    request = Request(
        method=chosen,
        task=str(task),
        data=as_path(data),
        pair=pair,
        split=as_text(split),
        folds=folds,
        seed=seed,
        profile=profile,
        settings=tuple(f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()),
        plugins=tuple(files),
        start_from=None if start_from is None else name_of(start_from),
        select=select,
        device=device,
        gpus=gpus,
        baselines=baselines,
        runs=runs_folder(runs),
        limits=Limits(time_limit, memory_limit),
        check_determinism=check_determinism,
        reconstructions=reconstructions,
        tensorboard=tensorboard,
    )
    with console.reporting() as reporter:
        result = Result(tuple(run_request(request, reporter, ad_hoc=ad_hoc)), runs_folder(runs))
    if result.record.status != "ok":
        message = f"{chosen}: {result.record.message} (see {Run(result.path).log})"
        raise MethodError(message, reason=result.record.reason or "crash")
    return result


@near_names
def score(
    run: Result | str | Path,
    data: str | Path | None = None,
    task: str | Path | None = None,
    *,
    split: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    device: Device = "auto",
    time_limit: float | None = None,
    memory_limit: float | None = None,
    runs: str | Path | None = None,
) -> Result:
    """Apply a trained run to other patients, and store the result as a run.

    Args:
        run: the result of `run`, the name of a run, or a bundle with weights; with cross-validation, one of the folds.
        data: folder with the patients; not needed for tasks with embedded data.
        task: task that describes the data and the protocol; by default the run's.
        split: score only this split's validation and test patients; by default all.
        plugins: Python files with the method, if it is not installed.
        device: where the method computes; `auto` uses a GPU if there is one.
        time_limit: seconds after which the method is stopped.
        memory_limit: MiB above which the method is stopped.
        runs: the folder of runs (by default UAD_BENCH_RUNS, else `runs`), to which the new run is added.

    Raises:
        MethodError: scoring failed.
        UadBenchError: a patient was in the training set, or the request or the data is invalid.
    """
    from uad_bench.benchmark.score import Application, apply_run

    asked = Application(
        run=opened(run, runs),
        data=as_path(data),
        task=as_text(task),
        split=as_text(split),
        plugins=tuple(map(Path, plugins)),
        device=device,
        runs=runs_folder(runs),
        limits=Limits(time_limit, memory_limit),
    )
    with console.reporting() as reporter:
        record = apply_run(asked, reporter)
    if record.status == "failed":
        raise MethodError(f"{record.run}: {record.message}", reason=record.reason or "crash")
    return Result((record,), runs_folder(runs))


@near_names
def evaluate(
    maps: str | Path,
    task: str | Path = "phantom",
    *,
    name: str,
    data: str | Path | None = None,
    split: str | Path | None = None,
    threshold_maps: str | Path | None = None,
    npy_orientation: Literal["scan", "ras"] | None = None,
    runs: str | Path | None = None,
) -> Result:
    """Evaluate a folder of score maps made by any program, and store the result as a run.

    Args:
        maps: folder with `<patient>.nii.gz` or `<patient>.npy` for every test patient.
        task: task that describes the data and the protocol.
        name: name of the method in tables.
        data: folder with the patients; not needed for tasks with embedded data.
        split: evaluate the test patients of this split, or `all` labelled patients.
        threshold_maps: folder with score maps of validation patients.
        npy_orientation: axes of `.npy` maps: `scan` as stored in the scan's file, `ras` in canonical RAS+.
        runs: the folder of runs; by default UAD_BENCH_RUNS, else `runs`.

    Raises:
        MethodError: a map is missing or invalid.
    """
    from uad_bench.benchmark.evaluate_maps import Submission, evaluate_maps

    given = Submission(
        folder=Path(maps),
        name=name,
        task=str(task),
        data=as_path(data),
        split=as_text(split),
        threshold_maps=as_path(threshold_maps),
        npy_orientation=npy_orientation,
    )
    with console.reporting() as reporter:
        record = evaluate_maps(given, runs=runs_folder(runs), report=reporter)
    if record.status != "ok":
        raise MethodError(f"{name}: {record.message}", reason=record.reason or "crash")
    return Result((record,), runs_folder(runs))


@near_names
def combine(
    *results: Result | str | Path,
    name: str = "ensemble",
    data: str | Path | None = None,
    runs: str | Path | None = None,
) -> Result:
    """Average the ranks of several runs' score maps, and store the result as a run of its own, without training.

    Args:
        results: results of `run`, or names of runs, of one task and split; methods, settings or seeds may differ.
        name: name of the row in tables.
        data: folder with the patients, if the task's data is not embedded.
        runs: the folder of runs (by default UAD_BENCH_RUNS, else `runs`), to which the new run is added.
    """
    from uad_bench.benchmark.combine import combine as compute

    members = [opened(result, runs) for result in results]
    with console.reporting() as reporter:
        record = compute(members, name=name, data=as_path(data), root=runs_folder(runs), report=reporter)
    return Result((record,), runs_folder(runs))


@near_names
def compare(*results: Result | str | Path, metric: str = "auprc", runs: str | Path | None = None) -> Comparison:
    """Test whether methods differ significantly: difference, confidence interval, p-value and required sample size.

    Args:
        results: results of `run`, or names of runs, of two or more methods; seeds of one method are averaged.
        metric: `auprc`, `auroc`, or a metric at a threshold, such as `dice@hFPR5`.
        runs: the folder of runs; by default UAD_BENCH_RUNS, else `runs`.
    """
    from uad_bench.boards.comparison import compare as compute

    return Comparison(compute([opened(result, runs) for result in results], metric=metric))


@near_names
def leaderboard(task: str | Path = "phantom", *, runs: str | Path | None = None) -> Board:
    """Rank all runs of a task; if there are none, return the leaderboard shipped with the package."""
    from uad_bench.output.publishing import find_sheets

    return Board(*find_sheets(runs_folder(runs), str(task)))


@near_names
def overall(*tasks: str, runs: str | Path | None = None) -> OverallBoard:
    """Compare methods over several tasks: mean ranks, and differences whose p-values are combined over tasks.

    Args:
        tasks: names of two or more tasks; by default all with runs or, with fewer than two of these, all shipped
            leaderboards.
        runs: the folder of runs; by default UAD_BENCH_RUNS, else `runs`.
    """
    from uad_bench.output.publishing import compare_tasks

    return OverallBoard(compare_tasks(runs_folder(runs), tasks)[0])


@near_names
def report(
    *results: Result | str | Path,
    task: str | None = None,
    output: str | Path = "report.html",
    figures: str | Path | None = None,
    data: str | Path | None = None,
    images: bool | None = None,
    runs: str | Path | None = None,
) -> ReportPage:
    """Write an interactive HTML report on runs of a task: tables, figures, and slices with a threshold slider.

    Args:
        results: results of `run`, names of runs, or bundles; by default all runs of `task`.
        task: report all runs of this task.
        output: HTML file to write.
        figures: folder to also write every figure to, as PNG and SVG.
        data: folder with the patients; not needed for tasks with embedded data.
        images: show slices; by default only those of the embedded phantom.
        runs: the folder of runs; by default UAD_BENCH_RUNS, else `runs`.

    Raises:
        ConfigError: neither runs nor a task with runs is given.
    """
    from uad_bench.output.report.building import write_report

    root = runs_folder(runs)
    chosen = [opened(result, root) for result in results] or (find_runs(root, task) if task else [])
    if not chosen:
        raise ConfigError(f"nothing to report in {root}: name runs, or a task that has runs")
    with console.reporting() as reporter:
        write_report(chosen, Path(output), data=as_path(data), images=images, figures=as_path(figures), report=reporter)
    return ReportPage(Path(output))
