"""Every test has a cache of its session and one torch thread; real cases only where they lie beside the checkout."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import uad_bench
from tests.scored import Scored, write_cohort
from tests.tiny_bench import SameProcess, TinyBench, gather_tiny, write_patients
from uad_bench.data.cohort import Cohort

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of this session; phantom patients are made once a worker.

    A fork of a process whose OpenMP threads have begun would wait for them for ever: this process has none either.
    """
    folder = tmp_path_factory.mktemp("cache")
    os.environ["UAD_BENCH_CACHE"] = str(folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """No test loses power, so files need not reach the disk; a process of its own still waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def real_cases() -> Path:
    """The folder of real cases beside the checkout, or a skip."""
    if not (REAL / "brats").is_dir():
        pytest.skip(f"no real cases at {REAL}")
    return REAL


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of eight synthetic patients; nobody may write there."""
    return write_patients(tmp_path_factory.mktemp("tiny") / "cohort")


@pytest.fixture(scope="session")
def tiny_cohort(tiny_data: Path) -> Cohort:
    """The same patients, counted and split."""
    return gather_tiny(tiny_data)


@pytest.fixture
def tiny(tiny_cohort: Cohort, tmp_path: Path) -> TinyBench:
    """A bench whose methods run in processes of their own."""
    return TinyBench(tiny_cohort, tmp_path)


@pytest.fixture
def quick(tiny: TinyBench, monkeypatch: pytest.MonkeyPatch) -> TinyBench:
    """A bench whose methods run in this process: for what does not depend on isolation."""
    start_no_process(monkeypatch)
    return tiny


@pytest.fixture(scope="module")
def no_processes() -> Iterator[None]:
    """All methods of a test module run in this process: for what does not depend on isolation."""
    with pytest.MonkeyPatch.context() as patch:
        start_no_process(patch)
        yield


@pytest.fixture(scope="session")
def tiny_baselines(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with the untrained baselines on the tiny phantom; nobody may write there."""
    runs = tmp_path_factory.mktemp("baselines") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        start_no_process(patch)
        uad_bench.run("random", task="phantom-tiny", runs=runs)
    return runs


def start_no_process(patch: pytest.MonkeyPatch) -> None:
    for module in ("runner", "started"):
        patch.setattr(f"uad_bench.benchmark.{module}.WorkerProcess", SameProcess)


@pytest.fixture(scope="session")
def boxes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven patients with box-shaped lesions; nobody may write there."""
    return write_cohort(tmp_path_factory.mktemp("boxes") / "cohort", 11)


@pytest.fixture
def scored(boxes_data: Path, tmp_path: Path) -> Scored:
    """Score maps for these patients become runs in a folder of the test's own."""
    return Scored(boxes_data, tmp_path, 11)
