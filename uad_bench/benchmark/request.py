"""A user's request: resolves it, checks the data, and runs the method together with the trivial baselines."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from uad_bench.benchmark.curves import check_tensorboard
from uad_bench.benchmark.determinism import check_determinism
from uad_bench.benchmark.estimate import announce
from uad_bench.benchmark.nodes import follow, require_node
from uad_bench.benchmark.runner import Runner
from uad_bench.benchmark.started import (
    StartedMethod,
    check_modalities,
    check_reconstructs,
    check_selectable,
    started_method,
    started_together,
)
from uad_bench.config import Experiment, Task, change_task, compose, exclude_patients, load_task
from uad_bench.console import Reporter
from uad_bench.data.cohort import Cohort, data_folder, gather, open_dataset
from uad_bench.data.cohort_warnings import check_healthy, check_scans, find_cohort_warnings
from uad_bench.data.split import load_split
from uad_bench.errors import ConfigError, unknown
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.execution.isolation import Limits
from uad_bench.execution.job import Job
from uad_bench.plugins import registry
from uad_bench.plugins.registry import baseline_methods
from uad_bench.runs.identity import changes_since, settings_of, was_finished
from uad_bench.runs.opening import open_run
from uad_bench.runs.origin import Origin
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import remember_data

GPU_DRIVERS = (Path("/proc/driver/nvidia"), Path("/dev/dxg"), Path("/dev/kfd"))
"""Of NVIDIA on Linux, of any GPU in the Windows Subsystem for Linux, and of AMD."""

WARNINGS = {"label_access": "tried to read labels or source images", "constant": "the same score in a whole map"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for, before names are resolved."""

    method: str
    task: str = "phantom"
    data: Path | None = None
    pair: str | None = None
    split: str | None = None
    folds: int = 0
    exclude: tuple[str, ...] = ()
    seed: int = 0
    profile: str | None = None
    settings: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()
    start_from: str | None = None
    select: int | None = None
    device: str = "auto"
    gpus: int = 1
    nodes: int = 1
    baselines: bool = True
    runs: Path = Path("runs")
    limits: Limits = field(default_factory=Limits)
    check_determinism: bool = False
    reconstructions: bool = False
    tensorboard: bool = False


@dataclass(frozen=True, slots=True)
class AdHocMethod:
    """A method that is not registered: a command, or an object passed from Python with its hyperparameters."""

    entry: registry.Entry
    params: Mapping[str, Any] = field(default_factory=dict)


def run_request(request: Request, reporter: Reporter, *, ad_hoc: AdHocMethod | None = None) -> list[RunRecord]:
    """Records of the baselines and, last, of the method: a registered one, or `ad_hoc` under the request's name."""
    entries = registry.methods(request.plugins)
    if ad_hoc:
        entries = registry.with_ad_hoc(entries, ad_hoc.entry)
    entry = registry.find("method", request.method, entries)
    task = resolve_task(request)
    main = compose_request(request)
    if ad_hoc:
        main = replace(main, params={**ad_hoc.params, **main.params})
    origin = resolve_origin(request)
    load_protocol(main.task.protocol)  # refuses one that does not exist, before the long part
    if main.task.split not in {"hash", "dataset"}:
        load_split(main.task.split)
    if request.tensorboard:
        check_tensorboard()
    device = resolve_device(request.device)
    node = require_node(request.nodes, folds=request.folds)
    runner = Runner(
        root=request.runs,
        device=device,
        limits=request.limits,
        reconstructions=request.reconstructions,
        tensorboard=request.tensorboard,
        report=reporter,
    )
    with _started(request, main, entry, origin, reporter) as started:
        _check_needs(request, main, entry, started)
        reporter.start(f"data {main.task.name}")
        cohort = gather(main.task, request.data, folds=request.folds, report=reporter)
        check_scans(cohort)
        say_cohort_warnings(cohort, reporter)
        trivial = [name for name in baseline_methods() if name != request.method and request.baselines]
        # The budget of the method does not change the baselines.
        jobs = [
            runner.plan(compose(name, replace(main.task, budget=task.budget), seed=request.seed), entries[name], cohort)
            for name in trivial
        ]
        _check_trainable(jobs, cohort, select=request.select)
        ranks = resolve_ranks(request.gpus, device)
        data, job = data_folder(main.task, request.data), runner.plan(main, entry, cohort, origin)
        if not node.leads:
            follow(job, node, ranks=ranks, reporter=reporter)
            return []
        if expected := announce(job, request.runs):
            reporter.say(f"{request.method}: {expected}")
        with started_together(jobs, cohort.subjects.values(), root=request.runs, limits=request.limits) as turn_to:
            records = [_run(runner, one, data, reporter, turn_to(one)) for one in jobs]
        records.append(_run(replace(runner, ranks=ranks, node=node), job, data, reporter, started))
    if request.check_determinism and records[-1].status == "ok":
        reporter.say(check_determinism(runner, job))
    return records


def _check_needs(request: Request, main: Experiment, entry: registry.Entry, started: StartedMethod | None) -> None:
    """Refuse what the method cannot do, before data is read."""
    if request.reconstructions:
        check_reconstructs(entry, started.needs if started else None)
    if request.select is not None:
        check_selectable(entry, request.select, started.needs if started else None)
    if started:
        check_modalities(main.method, started.modalities, main.task.modalities)


def _check_trainable(jobs: list[Job], cohort: Cohort, *, select: int | None) -> None:
    """Refuse a split without healthy slices before any job starts, unless all are finished."""
    for split in cohort.splits if select else ():
        cohort.held_out(split)
    if not all(job.run.finished for job in jobs):
        for split in cohort.splits:
            check_healthy(cohort, split)


@contextlib.contextmanager
def _started(
    request: Request, main: Experiment, entry: registry.Entry, origin: Origin | None, reporter: Reporter
) -> Iterator[StartedMethod | None]:
    """The method's process; None on several machines, and if a run with the same settings is finished."""
    if request.nodes > 1 or was_finished(request.runs, settings_of(main, entry, main.task, origin)):
        yield None
        return
    reporter.start(main.method)
    dataset = open_dataset(main.task, request.data, report=reporter)
    subjects = () if getattr(dataset, "embedded", False) else dataset.subjects()
    with started_method(main, entry, subjects, root=request.runs, limits=request.limits) as started:
        yield started


def _run(
    runner: Runner, job: Job, data: Path | None, reporter: Reporter, started: StartedMethod | None = None
) -> RunRecord:
    """Run one method, and report whether it was run before, and its AUPRC or its failure."""
    method, stored = job.experiment.method, job.run.finished
    reporter.start(method)
    if not stored and not job.run.experiment.exists() and (difference := changes_since(job.run, job.identity)):
        reporter.say(f"{method}: a new run, because of {difference}")
    record = runner.run(job, started)
    remember_data(job.run, data)
    reporter.say(f"{method}: {_outcome(record)}" + (f"; this run exists: {job.run.path}" if stored else ""))
    say_warnings(record, reporter)
    return record


def _outcome(record: RunRecord) -> str:
    """`AUPRC 0.676 [0.538, 0.790]`, the reason why there is none, or how the method failed."""
    auprc = record.find("auprc")
    if record.status == "failed":
        return f"FAILED({record.reason}): {record.message}"
    if auprc is None or auprc.value is None:
        return f"AUPRC undefined ({auprc.undefined})" if auprc else "no reference labels, no metrics"
    interval = "" if auprc.low is None else f" [{auprc.low:.3f}, {auprc.high:.3f}]"
    return f"AUPRC {auprc.value:.3f}{interval}"


def say_warnings(record: RunRecord, reporter: Reporter) -> None:
    """Print one line per kind of warning about the method; those about the cohort are printed separately."""
    for warning in record.warnings:
        if warning.message is None:
            kind = WARNINGS.get(warning.kind, warning.kind)
            reporter.say(f"{record.method.name}: warning: {kind} ({warning.count} x)")


def say_cohort_warnings(cohort: Cohort, reporter: Reporter) -> None:
    """Print one line per kind of warning about the cohort; the records repeat them."""
    for warning in find_cohort_warnings(cohort.census.values(), cohort.near, field_of_view=cohort.task.field_of_view):
        reporter.say(f"warning: {warning.message}")


def compose_request(request: Request) -> Experiment:
    """The experiment that a request asks for."""
    task = resolve_task(request)
    experiment = compose(
        request.method, task, request.settings, profile=request.profile, seed=request.seed, plugins=request.plugins
    )
    return replace(experiment, select=request.select)


def resolve_origin(request: Request) -> Origin | None:
    """The run of the same method that training starts from, if any."""
    if request.start_from is None:
        return None
    further = compose_request(request).task.train_patients != 0
    origin = Origin.of(open_run(request.runs, request.start_from), further=further)
    if (method := origin.asked.method) != request.method:
        raise ConfigError(f"--from {request.start_from}: the weights are of {method}, not of {request.method}")
    return origin


def resolve_task(request: Request) -> Task:
    """The named task with the options of the command line applied."""
    task = load_task(request.task)
    changes: dict[str, Any] = {}
    if request.pair:
        changes["pair"] = parse_pair(request.pair, task)
    if request.split:
        changes["split"] = request.split
    return exclude_patients(change_task(task, changes), request.exclude)


def parse_pair(text: str, task: Task) -> tuple[str, str]:
    """`flair:t2` as two modalities of the task."""
    source, colon, target = text.partition(":")
    if not colon or not source or not target:
        raise ConfigError(f"--pair {text!r} is not of the form SOURCE:TARGET, such as flair:t2")
    for modality in (source, target):
        if modality not in task.modalities:
            raise unknown(f"modality of task {task.name}", modality, task.modalities)
    return source, target


def resolve_ranks(gpus: int, device: str) -> int:
    """Number of processes that share one training.

    Raises:
        ConfigError: more GPUs are requested than torch finds.
    """
    if device == "cuda" and gpus > 1:
        import torch

        if gpus > (found := torch.cuda.device_count()):
            raise ConfigError(f"--gpus {gpus}: torch finds {found}; ask for at most as many")
    return gpus


def resolve_device(name: str) -> str:
    """Resolve `auto` to the GPU if there is one. Torch is imported only if a driver exists, because that is slow."""
    if name == "cpu" or (name == "auto" and not any(map(Path.exists, GPU_DRIVERS))):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ConfigError("--device cuda: torch finds no GPU; use --device cpu, or install a CUDA build of torch")
    return "cpu"
