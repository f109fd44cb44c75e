"""One request of a user: resolve it, check the data, and run the method beside the trivial baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from uad_bench.benchmark.determinism import check_determinism
from uad_bench.benchmark.preflight import check_healthy, check_method, check_protocol, check_slices
from uad_bench.benchmark.runner import Bench
from uad_bench.config import Experiment, Task, change_task, compose, load_task, read_toml
from uad_bench.console import Reporter
from uad_bench.data.cohort import Cohort, check_stripped, gather
from uad_bench.data.oddities import find_oddities
from uad_bench.errors import ConfigError, unknown
from uad_bench.execution.isolation import Limits
from uad_bench.plugins import registry
from uad_bench.plugins.declared_fields import check_names
from uad_bench.resources import resource_path
from uad_bench.runs.folder import open_run
from uad_bench.runs.origin import Origin

WARNINGS = {"label_access": "tried to read labels or source images", "constant": "the same score in a whole map"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was typed, unresolved."""

    method: str
    task: str = "phantom"
    data: Path | None = None
    pair: str | None = None
    split: str | None = None
    folds: int = 0
    seed: int = 0
    profile: str | None = None
    settings: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()
    start_from: str | None = None
    device: str = "auto"
    gpus: int = 1
    baselines: bool = True
    runs: Path = Path("runs")
    limits: Limits = field(default_factory=Limits)
    check_determinism: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """A method that is registered nowhere: a command, or what was passed from Python with its hyperparameters."""

    entry: registry.Entry
    params: Mapping[str, Any] = field(default_factory=dict)


def run_request(request: Request, reporter: Reporter, *, guest: Guest | None = None) -> list[dict[str, Any]]:
    """Records of the baselines and, last, of the method: a registered one, or the guest under the request's name."""
    entries = registry.methods(request.plugins)
    if guest:
        entries = registry.with_guest(entries, guest.entry)
    registry.find("method", request.method, entries)
    task = resolve_task(request)
    main = compose_request(request)
    if guest:
        main = replace(main, params={**guest.params, **main.params})
    main = replace(main, origin=resolve_origin(request))
    check_names(entries[main.method], main.params)
    check_protocol(main.task)
    reporter.start(f"data {main.task.name}")
    cohort = gather(main.task, request.data, folds=request.folds, report=reporter)
    check_slices(cohort)
    check_stripped(cohort)
    say_oddities(cohort, reporter)
    device = resolve_device(request.device)
    bench = Bench(root=request.runs, device=device, limits=request.limits, report=reporter)
    trivial = [name for name in baselines() if name != request.method and request.baselines]
    # Another budget for the method does not make other baselines.
    experiments = [compose(name, replace(main.task, budget=task.budget), seed=request.seed) for name in trivial]
    if not all(bench.locate(one, entries[one.method], cohort).finished for one in experiments):
        _check_before_baselines(bench, main, entries[main.method], cohort)
    records = [_run(bench, experiment, entries[experiment.method], cohort, reporter) for experiment in experiments]
    shared = replace(bench, ranks=resolve_ranks(request.gpus, device))
    records.append(_run(shared, main, entries[main.method], cohort, reporter))
    if request.check_determinism and records[-1]["status"] == "ok":
        reporter.say(check_determinism(bench, main, entries[main.method], cohort))
    return records


def _check_before_baselines(bench: Bench, main: Experiment, entry: registry.Entry, cohort: Cohort) -> None:
    """What the method would be refused for, before the time for the baselines is spent."""
    for split in cohort.splits:
        check_healthy(cohort, split)
    if not bench.locate(main, entry, cohort).finished:
        check_method(main, entry, cohort, bench.limits)


def _run(
    bench: Bench, experiment: Experiment, entry: registry.Entry, cohort: Cohort, reporter: Reporter
) -> dict[str, Any]:
    """Run one method, saying whether it was run before and whether it failed."""
    reporter.start(experiment.method)
    known = bench.locate(experiment, entry, cohort)
    if known.finished:
        reporter.say(f"{experiment.method}: this run exists, {known.path}")
    elif difference := bench.explain(experiment, entry, cohort):
        reporter.say(f"{experiment.method}: a new run, because of {difference}")
    record = bench.run(experiment, entry, cohort)
    if record["status"] != "ok":
        reporter.say(f"{experiment.method}: FAILED({record['reason']}): {record['message']}")
    say_warnings(record, reporter)
    return record


def say_warnings(record: dict[str, Any], reporter: Reporter) -> None:
    """A line for each kind of thing that was strange about the method; what is odd about the patients comes apart."""
    for warning in record["warnings"]:
        if "message" not in warning:
            kind = WARNINGS.get(warning["kind"], warning["kind"])
            reporter.say(f"{record['method']['name']}: warning: {kind} ({warning['count']} x)")


def say_oddities(cohort: Cohort, reporter: Reporter) -> None:
    """A line for each kind of thing that is odd about the patients; the records repeat them."""
    for oddity in find_oddities(cohort.census.values()):
        reporter.say(f"warning: {oddity.message}")


def compose_request(request: Request) -> Experiment:
    """The experiment that a request asks for."""
    task = resolve_task(request)
    return compose(
        request.method, task, request.settings, profile=request.profile, seed=request.seed, plugins=request.plugins
    )


def resolve_origin(request: Request) -> Origin | None:
    """The run that training starts from, if any: one of the same method."""
    if request.start_from is None:
        return None
    origin = Origin.of(open_run(request.runs, request.start_from), further=True)
    if (method := origin.asked["method"]) != request.method:
        raise ConfigError(f"--from {request.start_from}: those are weights of {method}, not of {request.method}")
    return origin


def resolve_task(request: Request) -> Task:
    """The named task with the options of the command line applied."""
    task = load_task(request.task)
    changes: dict[str, Any] = {}
    if request.pair:
        changes["pair"] = parse_pair(request.pair, task)
    if request.split:
        changes["split"] = request.split
    return change_task(task, changes)


def parse_pair(text: str, task: Task) -> tuple[str, str]:
    """`flair:t2` as two modalities of the task."""
    source, colon, target = text.partition(":")
    if not colon or not source or not target:
        raise ConfigError(f"--pair {text!r} is not of the form SOURCE:TARGET, such as flair:t2")
    for modality in (source, target):
        if modality not in task.modalities:
            raise unknown(f"modality of task {task.name}", modality, task.modalities)
    return source, target


def baselines() -> list[str]:
    """Names of the trivial baselines, which the methods' configuration files declare."""
    files = sorted(resource_path("configs/methods").glob("*.toml"))
    return [path.stem for path in files if read_toml(path).get("baseline")]


def resolve_ranks(gpus: int, device: str) -> int:
    """How many processes share one training: as many as asked for, of GPUs no more than there are."""
    if device == "cuda" and gpus > 1:
        import torch

        if gpus > (found := torch.cuda.device_count()):
            raise ConfigError(f"--gpus {gpus}: torch sees {found}")
    return gpus


def resolve_device(name: str) -> str:
    """`auto` is the GPU where there is one. Torch is asked only if a driver is there, because asking is slow."""
    if name == "cpu" or (name == "auto" and not Path("/proc/driver/nvidia").exists()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ConfigError("--device cuda: torch sees no GPU; use --device cpu, or install a CUDA build of torch")
    return "cpu"
