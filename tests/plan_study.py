"""Does `run --plan` predict what a run costs?

    OMP_NUM_THREADS=1 python -m tests.plan_study phantom 30 2 4 dae ae

predicts what 30 training steps with batches of 2 slices and the scoring of 4 patients take, does both, and prints a row
per method. Each prediction and each run has a process of its own, forked after torch is imported. Times are CPU seconds
of that process, since other programs make wall time longer.

    python -m tests.plan_study RUN...

compares the scoring of all patients of finished runs with what the second and third test patient, whom a plan times,
would have predicted.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

Seconds = tuple[float, float]
"""Of training and of scoring."""

time.monotonic = time.perf_counter = time.process_time  # before the modules that use them

from uad_bench.benchmark.request import Request, compose_request  # noqa: E402
from uad_bench.benchmark.runner import Runner  # noqa: E402
from uad_bench.console import Reporter, stderr  # noqa: E402
from uad_bench.data.cohort import gather  # noqa: E402
from uad_bench.execution.live import InProcess  # noqa: E402
from uad_bench.plugins import registry  # noqa: E402
from uad_bench.runs.events import Fit, Scored  # noqa: E402
from uad_bench.runs.folder import Run  # noqa: E402
from uad_bench.suites import plan  # noqa: E402


class RunnerHere(Runner):
    """A runner without a process for the method."""

    def _worker(self, job):
        return InProcess(replace(job.entry, live=job.entry.load()), partial(self._note, job.run))


plan.Runner = RunnerHere
plan._needed = lambda *_: None


def predict(request: Request, volumes: int) -> Seconds:
    """What the plan says."""
    found = replace(plan.plan_run(request, Reporter(stderr(), show=lambda _: None)), volumes=volumes)
    return found.fit_s, found.total_s - found.fit_s


def measure(request: Request, volumes: int) -> Seconds:
    """What the run takes, with patients spread over those of validation and test."""
    experiment = compose_request(request)
    cohort = gather(experiment.task, None, report=lambda _: None)
    with TemporaryDirectory() as folder:
        runner = RunnerHere(root=Path(folder))
        job = runner.plan(experiment, registry.find("method", request.method, registry.methods()), cohort)
        patients = (*job.split.val, *job.split.test)
        patients = patients[:: max(1, len(patients) // volumes)][:volumes]
        job = replace(job, split=replace(job.split, val=(), test=patients))
        job.run.create()
        runner.apply(job)
        events = job.run.read_events()
    return tuple(sum(e.seconds for e in events if isinstance(e, kind)) for kind in (Fit, Scored))


def alone(do: Callable[[Request, int], Seconds], request: Request, volumes: int) -> Seconds:
    """Do it in a process of its own."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(do, (request, volumes))


def scoring(folder: Path) -> str:
    """A row for a finished run."""
    run = Run(folder)
    took = {event.subject: event.cpu_seconds for event in run.read_events() if isinstance(event, Scored)}
    record = run.read_record()
    planned = len(took) * fmean(took[name] for name in record.subjects.test[1 : plan.VOLUMES])
    cells = (len(took), f"{planned:.2f}", f"{sum(took.values()):.2f}", f"{planned / sum(took.values()):.2f}")
    return f"| {record.method.name} | " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Print a row per method or run."""
    if Path(sys.argv[1]).is_dir():
        print("| method | patients | scoring planned, s | measured | ratio |\n| --- " + "| ---: " * 4 + "|")
        print("\n".join(scoring(Path(folder)) for folder in sys.argv[1:]))
        return
    import_module("torch._dynamo")  # the first optimiser of a process does
    task, steps, batch, volumes, *names = sys.argv[1:]
    settings = (f"budget.steps={steps}", f"budget.batch_size={batch}")
    print("| method | training planned, s | measured | scoring planned, s | measured | ratio of the sums |")
    print("| --- " + "| ---: " * 5 + "|")
    for name in names:
        request = Request(method=name, task=task, device="cpu", settings=settings)
        planned, taken = (alone(do, request, int(volumes)) for do in (predict, measure))
        cells = (planned[0], taken[0], planned[1], taken[1], sum(planned) / sum(taken))
        print(f"| {name} | " + " | ".join(f"{x:.2f}" for x in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
