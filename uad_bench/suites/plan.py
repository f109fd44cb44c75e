"""What a run or a suite will cost, from twenty timed training steps and two scored patients on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, variance
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from uad_bench.benchmark.request import Request, compose_request, resolve_device, resolve_ranks
from uad_bench.benchmark.runner import Runner
from uad_bench.boards.result import MetricKey, Result
from uad_bench.boards.storage import read_stored
from uad_bench.config import Experiment, change_task
from uad_bench.console import Reporter
from uad_bench.data.cohort import Cohort, gather
from uad_bench.execution.job import Job
from uad_bench.method import Progress
from uad_bench.metrics.significance import patients_to_separate, seeds_to_separate
from uad_bench.metrics.uncertainty import standard_error
from uad_bench.plugins import registry
from uad_bench.plugins.registry import baseline_methods
from uad_bench.resources import resource_path
from uad_bench.runs.cost import Cost, cost_of
from uad_bench.runs.events import Event, Scored

if TYPE_CHECKING:
    from uad_bench.suites.suite import Cell

STEPS = 22
"""Training steps; the first of each network is not timed."""
VOLUMES = 3  # patients scored; the first is not timed
FALLBACK = "brats"
AUPRC = MetricKey("auprc").key


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What it takes to see a difference in AUPRC from the strongest baseline at two-sided 5 % with 80 % power.

    Attributes:
        difference: the difference to be seen.
        patients: test patients; None if no number suffices.
        seeds: trained models on this task's patients; None if these patients are too few for any number.
        board: shipped leaderboard from which the variability was taken.
    """

    difference: float
    patients: int | None
    seeds: int | None
    board: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Expected cost of one run; times in seconds, without evaluation.

    Attributes:
        steps: optimiser steps of all folds.
        step_s: time per step.
        startup_s: time of training and of the first patient that depends neither on steps nor on patients.
        select_s: time of the measurements by which weights are selected.
        volumes: validation and test patients, of all folds.
        score_s: time per patient.
        peak_rss_mib: resident memory of the method's process.
        peak_cuda_mib: GPU memory; None on a CPU.
        disk_mb: score maps and checkpoint.
        snapshot_mb: two snapshots of training, which are removed at its end.
        needed: patients and seeds; None without a board with this or another trained method.
    """

    method: str
    task: str
    device: str
    steps: int
    step_s: float
    startup_s: float
    select_s: float
    volumes: int
    score_s: float
    peak_rss_mib: float | None
    peak_cuda_mib: float | None
    disk_mb: float
    snapshot_mb: float
    needed: Needed | None

    @property
    def fit_s(self) -> float:
        """Expected time of training."""
        return self.startup_s + self.steps * self.step_s + self.select_s

    @property
    def total_s(self) -> float:
        """Expected time of training and scoring."""
        return self.fit_s + self.volumes * self.score_s


def plan_run(request: Request, reporter: Reporter, *, difference: float = 0.05) -> Plan:
    """Time the request's method on this machine, in a temporary runs folder.

    Raises:
        MethodError: the method fails.
    """
    experiment, device = compose_request(request), resolve_device(request.device)
    entry = registry.find("method", request.method, registry.methods(request.plugins))
    reporter.start(f"plan of {request.method}")
    cohort = gather(experiment.task, request.data, folds=request.folds, report=reporter)
    with TemporaryDirectory(prefix="uad-plan-") as folder:
        steps = StepTimes(reporter)
        runner = Runner(root=Path(folder), device=device, ranks=resolve_ranks(request.gpus, device), report=steps)
        task = change_task(experiment.task, {}, {"steps": STEPS})
        job = runner.plan(replace(experiment, task=task, select=None), entry, replace(cohort, task=task))
        events, stored = _timed(runner, job)
    cost, folds = cost_of(events), len(cohort.splits)
    scored = [name for split in cohort.splits for name in (*split.val, *split.test)]
    maps = _bytes_per_voxel(events) * sum(math.prod(cohort.census[name].shape) for name in scored)
    return Plan(
        method=request.method,
        task=experiment.task.name,
        device=device,
        steps=experiment.task.budget.steps * folds,
        step_s=steps.mean_s,
        startup_s=(max(0.0, (cost.fit_s or 0.0) - STEPS * steps.mean_s) + _excess_of_first(events, cost)) * folds,
        select_s=_selecting(experiment, steps, cohort, cost) * folds,
        volumes=len(scored),
        score_s=cost.score_s_per_volume or 0.0,
        peak_rss_mib=cost.peak_rss_mib,
        peak_cuda_mib=cost.peak_cuda_mib,
        disk_mb=(maps + stored) / 1e6,
        snapshot_mb=2 * 4 * stored / 1e6 if steps.mean_s else 0.0,  # each has weights, their average and two moments
        needed=_needed(request.method, cohort, difference),
    )


@dataclass(slots=True)
class StepTimes:
    """Passes reports of progress on, and measures the steps of each training from its first report to its last."""

    shown: Callable[[Progress], None]
    clock: Callable[[], float] = time.monotonic
    _reports: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def __call__(self, progress: Progress) -> None:
        if progress.loss is not None:
            self._reports.setdefault(progress.stage, []).append((progress.step, self.clock()))
        self.shown(progress)

    @property
    def last_share(self) -> float:
        """Share of the steps that the last training has, which is the one that is measured."""
        return list(self._reports.values())[-1][-1][0] / STEPS if self._reports else 0.0

    @property
    def mean_s(self) -> float:
        """Mean time per step; 0 without training."""
        spans = [(reports[-1][0] - reports[0][0], reports[-1][1] - reports[0][1]) for reports in self._reports.values()]
        return sum(seconds for _, seconds in spans) / max(1, sum(steps for steps, _ in spans))


def plan_suite(cells: Iterable[Cell], reporter: Reporter) -> list[tuple[Plan, int]]:
    """A plan per method, task and pair, and the number of cells for which it holds."""
    groups: dict[tuple[str, str, str | None], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.request.method, cell.request.task, cell.request.pair), []).append(cell)
    return [(plan_run(group[0].request, reporter), len(group)) for group in groups.values()]


def _timed(runner: Runner, job: Job) -> tuple[list[Event], int]:
    """Train, score a few patients, and return the events and the bytes of the checkpoint."""
    patients = (*job.split.test, *job.split.val)[:VOLUMES]
    job = replace(job, split=replace(job.split, val=(), test=patients))
    job.run.create()
    runner.apply(job)
    return job.run.read_events(), job.run.checkpoint.stat().st_size


def _excess_of_first(events: Iterable[Event], cost: Cost) -> float:
    """Time that the first patient took longer than the others."""
    first = next(event.seconds for event in events if isinstance(event, Scored))
    return max(0.0, first - (cost.score_s_per_volume or 0.0))


def _bytes_per_voxel(events: Iterable[Event]) -> float:
    """Size of the score maps as they are stored, which is less where they leave out more background."""
    maps = [event for event in events if isinstance(event, Scored)]
    return sum(event.bytes for event in maps) / sum(math.prod(event.shape) for event in maps)


def _selecting(experiment: Experiment, steps: StepTimes, cohort: Cohort, cost: Cost) -> float:
    """Time of the measurements by which weights are selected, in one fold; each scores slices with implants."""
    if experiment.select is None:
        return 0.0
    from uad_bench.execution.implant_selector import SLICES

    measurements = math.ceil(experiment.task.budget.steps * steps.last_share / experiment.select)
    held_out = sum(len(cohort.healthy_slices(name)) for name in cohort.held_out(cohort.splits[0]))
    return measurements * min(SLICES, held_out) * (cost.score_s_per_slice or 0.0)


def _needed(method: str, cohort: Cohort, difference: float) -> Needed | None:
    boards = (resource_path(f"leaderboards/{name}") for name in (cohort.task.name, FALLBACK))
    for folder in filter(Path.is_dir, boards):
        rows = [row for row in read_stored(folder) if AUPRC in row.replicates]
        baselines = [row for row in rows if row.method in baseline_methods()]
        if ours := _rows_of(method, rows):
            return _separable(ours, max(baselines, key=_auprc), cohort, difference, folder.name)
    return None


def _rows_of(method: str, rows: list[Result]) -> list[Result]:
    """Rows of the method, or else of the trained method whose seeds vary most."""
    trained: dict[str, list[Result]] = {}
    for row in rows:
        if row.record.method.fit:
            trained.setdefault(row.method, []).append(row)
    return trained.get(method) or max(trained.values(), key=_seed_variance, default=[])


def _separable(ours: list[Result], baseline: Result, cohort: Cohort, difference: float, board: str) -> Needed:
    replicates = np.mean([row.replicates[AUPRC] for row in ours], axis=0) - baseline.replicates[AUPRC]
    known = len(baseline.record.subjects.test)
    se = float(standard_error(replicates, n_patients=known).value)
    here = len({name for split in cohort.splits for name in split.test})
    return Needed(
        difference=difference,
        patients=patients_to_separate(difference, se=se, n_patients=known),
        seeds=seeds_to_separate(
            difference, patient_se=se * math.sqrt(known / here), seed_variance=_seed_variance(ours)
        ),
        board=board,
    )


def _auprc(row: Result) -> float:
    return float(fmean(row.replicates[AUPRC]))


def _seed_variance(rows: list[Result]) -> float:
    return variance(map(_auprc, rows)) if len(rows) > 1 else 0.0


def sentences(plan: Plan) -> Iterator[str]:
    """The plan in words."""
    yield (
        f"{plan.method} on {plan.task} ({plan.device}): about {duration(plan.total_s)}, without evaluation: "
        f"training {duration(plan.fit_s)} ({plan.steps:,} steps of {plan.step_s:.3g} s), "
        f"scoring {duration(plan.volumes * plan.score_s)} ({plan.volumes} volumes of {plan.score_s:.3g} s)"
    )
    memory = [f"{plan.peak_rss_mib:,.0f} MiB" if plan.peak_rss_mib else "unknown"]
    memory += [f"{plan.peak_cuda_mib:,.0f} MiB on the GPU"] if plan.peak_cuda_mib else []
    snapshots = f", and {plan.snapshot_mb:,.0f} MB while it trains" if plan.snapshot_mb else ""
    yield f"memory {' and '.join(memory)}; disk {plan.disk_mb:,.0f} MB{snapshots}"
    if needed := plan.needed:
        patients = f"{needed.patients} test patients" if needed.patients else "no number of patients suffices"
        seeds = f"{needed.seeds} seeds here" if needed.seeds else "no number of seeds suffices here"
        yield (
            f"to see a difference of {needed.difference:g} in AUPRC from the strongest baseline with 80 % power: "
            f"{patients}; {seeds} (variability from the shipped leaderboard {needed.board})"
        )


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
