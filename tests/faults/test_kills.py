"""A harness that is killed at any instant and started again ends in the same bytes as one that was left alone."""

import os
import pkgutil
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_bench import TRAINED, TinyBench, result_files
from uad_bench.benchmark.runner import Runner
from uad_bench.plugins.registry import Entry
from uad_bench.runs.folder import Run

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_a_fork(work: Callable[[], object]) -> int:
    """The pid of a child of this process that does the work and ends."""
    if pid := os.fork():
        return pid
    try:
        work()
    finally:
        os._exit(0)


def kill_after(pid: int, seconds: float) -> bool:
    """Whether the child was still at work when it was killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def contents(run: Run) -> tuple[dict[str, str], list[str], object]:
    """Digests of all results, the names of all files, and the record without times."""
    names = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.name != "method.log")
    record = run.read_record().to_json()
    return result_files(run), names, [record[key] for key in ("status", "metrics", "thresholds", "subjects", "method")]


@pytest.fixture
def trained(quick: TinyBench) -> tuple[TinyBench, Entry]:
    return quick, quick.write("trained", **TRAINED)


@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_instants_and_resumed_a_run_has_the_bytes_of_an_undisturbed_one(trained, kills: int):
    quick, entry = trained
    for name in ("warm", "undisturbed"):
        quick.runner, started = Runner(root=quick.folder / name), time.monotonic()
        quick.run(entry)
    undisturbed, seconds = contents(quick.folder_of(entry)), time.monotonic() - started
    quick.runner, killed, rng = Runner(root=quick.folder / "disturbed"), 0, random.Random(kills)
    while killed < kills:
        pid = in_a_fork(lambda: quick.run(entry))
        killed += kill_after(pid, rng.uniform(0, seconds))
        run = quick.folder_of(entry)
        if run.finished:
            assert contents(run) == undisturbed
            discard(run)
    quick.run(entry)
    assert contents(quick.folder_of(entry)) == undisturbed


def discard(run: Run) -> None:
    """Begin anew, so that the next instants are spread over a whole run again."""
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


STAGES = {
    "in the middle of training": ("uad_bench.runs.checkpoints.DiskSnapshots.save", 2),
    "after the checkpoint": ("uad_bench.runs.checkpoints.DiskSnapshots.clear", 1),
    "in the middle of scoring": ("uad_bench.execution.stages.save_map", 3),
    "between the maps and the manifest": ("uad_bench.benchmark.runner.write_manifest", 1),
    "before judging": ("uad_bench.benchmark.runner.judge", 1),
    "between the record and the marker": ("uad_bench.runs.folder.write_text", 1),
    "between any two steps of writing a file": ("uad_bench.files.sync_folder", 9),
}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_chosen_instant_a_run_resumes_to_the_same_bytes(trained, stage: str, tmp_path: Path):
    quick, entry = trained
    quick.run(entry)
    undisturbed = contents(quick.folder_of(entry))
    quick.runner = Runner(root=tmp_path / "disturbed")
    target, call = STAGES[stage]

    def die_at() -> None:
        owner_name, _, name = target.rpartition(".")
        owner = pkgutil.resolve_name(owner_name)
        original, calls = getattr(owner, name), iter(range(1, 1000))

        def counted(*arguments: object, **options: object) -> object:
            if next(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, counted)
        quick.run(entry)

    _, status = os.waitpid(in_a_fork(die_at), 0)
    assert os.WIFSIGNALED(status)
    assert not quick.folder_of(entry).finished
    quick.run(entry)
    assert contents(quick.folder_of(entry)) == undisturbed
