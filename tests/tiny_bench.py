"""A bench that fits into a test: eight synthetic patients of 16 x 16 x 6 voxels, and methods written on the spot."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, Self

import nibabel as nib
import numpy as np

from uad_bench.benchmark.runner import Runner
from uad_bench.config import Experiment, change_task, compose, load_task
from uad_bench.data.cache import cache_root
from uad_bench.data.cohort import Cohort, gather
from uad_bench.digests import digest_json
from uad_bench.execution.isolation import Limits, _failure
from uad_bench.execution.job import Job
from uad_bench.execution.processes import PROC
from uad_bench.execution.stages import Assignment, describe, work
from uad_bench.execution.worker import describe_failure
from uad_bench.plugins import registry
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described, Event
from uad_bench.runs.folder import Run

SHAPE = (16, 16, 6)
TASK = """
dataset = "brats"
modalities = ["flair", "t2"]
size = 16
field_of_view = 16.0
margin = 0
budget = { steps = 4, batch_size = 2 }
"""  # the file of a task that reads such patients
TEMPLATE = """
import dataclasses
from uad_bench.method import Modalities
{top}

@dataclasses.dataclass
class Written:
    scale: float = 1.0

    @property
    def modalities(self):
        return Modalities(fit=("flair",), score=("flair",))

    def fit(self, train, *, budget, compute):
{fit}
        return self

    def score(self, batch):
{score}

    def state_dict(self):
{state}

    def load_state_dict(self, state, *, compute):
{load}
        return self

{members}

METHODS = {{"{name}": Written}}
"""
TRAINED = {
    "top": "import math, torch\nfrom uad_bench import training\n"
    "training.SNAPSHOT_SECONDS, training.SNAPSHOT_SHARE = 0.0, math.inf",
    "fit": """
        self.net_ = torch.nn.Conv2d(1, 1, 3, padding=1)
        training.train(
            self.net_,
            lambda batch, noise: ((self.net_(batch.image) - batch.image) ** 2).mean(),
            train,
            name="net",
            budget=budget,
            compute=compute,
            optimisation=training.Optimisation(),
        )
    """,
    "score": "return (self.net_(batch.image) - batch.image)[:, 0].detach().abs()",
    "state": "return self.net_.state_dict()",
    "load": "self.net_ = torch.nn.Conv2d(1, 1, 3, padding=1)\nself.net_.load_state_dict(state)",
}
SAME_EXCEPT_TIMES = (
    "checkpoint.safetensors",
    "maps/*",
    "MANIFEST.json",
    "metrics.csv",
    "sweep.csv",
    "replicates.npy",
)


def write_patients(root: Path, count: int = 8) -> Path:
    """Patients in BraTS layout: an ellipsoid of coarse blobs that differ from one to the next, and a small lesion."""
    for i in range(count):
        rng = np.random.default_rng(i)
        brain = (
            ((np.indices(SHAPE) - np.reshape([7.5, 7.5, 2.5], (3, 1, 1, 1))) / np.reshape([7, 7, 4], (3, 1, 1, 1))) ** 2
        ).sum(0) <= 1
        label = np.zeros(SHAPE, np.uint8)
        label[6:9, 6:9, 4:5] = 2
        for modality in ("flair", "t2"):
            blobs = np.kron(rng.integers(100, 1000, (4, 4, 2)), np.ones((4, 4, 3)))
            save(root / f"P{i}" / f"P{i}_{modality}.nii.gz", np.where(brain, blobs + 300.0 * label, 0).astype(np.int16))
        save(root / f"P{i}" / f"P{i}_seg.nii.gz", label)
    return root


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)


def gather_tiny(data: Path, *, folds: int = 0, **changes: Any) -> Cohort:
    """The patients of a folder as a task of a few milliseconds."""
    task = change_task(
        load_task("brats"),
        {"name": "tiny", "modalities": ("flair", "t2"), "size": 16, "field_of_view": 16.0, "margin": 0, **changes},
        {"steps": 4, "batch_size": 2},
    )
    return gather(task, data, folds=folds, report=lambda _: None)


def write_method(folder: Path, name: str, *, top: str = "", **bodies: str) -> Entry:
    """A method of its own file; what is not given does nothing, and its score is the image."""
    usual = {"fit": "pass", "score": "return batch.image[:, 0] * self.scale", "state": "return {}", "load": "pass"}
    members = indent(dedent(bodies.pop("members", "")), 4 * " ")
    parts = {part: indent(dedent(bodies.pop(part, body)), 8 * " ") for part, body in usual.items()}
    assert not bodies, f"no such part: {bodies}"
    file = folder / f"{name}.py"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(TEMPLATE.format(name=name, top=dedent(top), members=members, **parts))
    return registry.methods([file])[name]


@dataclass
class TinyBench:
    """Runs written methods on the tiny patients."""

    cohort: Cohort
    folder: Path
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        self.runner = Runner(root=self.folder / "runs")

    def limit(self, *, seconds: float | None = None, memory_mib: float | None = None) -> None:
        self.runner = replace(self.runner, limits=Limits(seconds, memory_mib))

    def write(self, name: str, **parts: str) -> Entry:
        return write_method(self.folder / "plugins", name, **parts)

    def finished(self, name: str, **parts: str) -> Entry:
        """A written method that has run on the usual patients: once a session, then as a copy."""
        entry = self.write(name, **parts)
        kept = cache_root().parent / "finished" / digest_json([name, parts, self.runner.reconstructions])
        if not kept.exists():
            runner = replace(self.runner, root=kept)
            assert runner.run(runner.plan(self.experiment(name), entry, self.cohort)).status == "ok"
        shutil.copytree(kept, self.runner.root, dirs_exist_ok=True)
        return entry

    def experiment(self, name: str, seed: int = 0, settings: tuple[str, ...] = ()) -> Experiment:
        return compose(name, self.cohort.task, settings, seed=seed)

    def plan(self, entry: Entry, seed: int = 0, settings: tuple[str, ...] = ()) -> Job:
        return self.runner.plan(self.experiment(entry.name, seed, settings), entry, self.cohort)

    def run(self, entry: Entry, seed: int = 0, settings: tuple[str, ...] = ()) -> dict[str, Any]:
        """The record as its file holds it."""
        return self.runner.run(self.plan(entry, seed, settings)).to_json()

    def folder_of(self, entry: Entry, seed: int = 0, settings: tuple[str, ...] = ()) -> Run:
        return self.plan(entry, seed, settings).run

    def events(self, entry: Entry, kind: str) -> list[dict[str, Any]]:
        return [event.to_json() for event in self.folder_of(entry).read_events() if event.event == kind]


@dataclass(slots=True)
class SameProcess:
    """Stands in for the method's process where isolation is not what is tested; errors cross over as they do there."""

    entry: Entry
    log: Path | None = None
    limits: Limits | None = None
    access: Any = None
    note: Any = None
    method: Any = None
    isolation: str = "none"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def turn_to(self, entry: Entry, log: Path | None) -> None:
        self.entry, self.log = entry, log

    def describe(self, params: dict[str, Any], pair: tuple[str, str]) -> Described:
        self.method, description = self._crossing(lambda: describe(self.entry, params, pair))
        return description

    def work(self, assignment: Assignment) -> Iterator[Event]:
        events: list[Event] = []
        try:
            self._crossing(lambda: work(self.method, assignment, events.append))
        finally:
            yield from events

    def _crossing(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            raise _failure(describe_failure(error)) from error


def result_files(run: Run) -> dict[str, str]:
    """Digest of every file whose bytes are promised to be the same in each run."""
    files = [path for pattern in SAME_EXCEPT_TIMES for path in sorted(run.path.rglob(pattern))]
    return {str(path.relative_to(run.path)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def living(word: str) -> list[str]:
    """Command lines of live processes that hold this word."""
    lines = []
    for process in PROC.glob("[0-9]*"):
        try:
            if (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                lines.append((process / "cmdline").read_text())
        except OSError:
            continue
    return [line for line in lines if word in line]
