"""The data folder is given once: later commands find it beside the run, in the environment, or where it is named."""

import shutil
from pathlib import Path

import pytest

from tests.scored import Scored
from uad_bench.config import load_task
from uad_bench.data.cohort import DATA_VARIABLE, data_folder
from uad_bench.errors import DataError
from uad_bench.runs.bundle import write_bundle
from uad_bench.runs.folder import Run
from uad_bench.runs.reopen import open_stored, remembered_data


@pytest.fixture
def run(scored: Scored) -> Run:
    """A run whose patients are in a folder of this test's own."""
    own = shutil.copytree(scored.data, scored.folder / "own")
    return scored.run_of(Scored(own, scored.folder, scored.count).judge("mine"))


def reopened(run: Run, data: Path | None = None) -> set[str]:
    return set(open_stored(run, data, lambda _: None)[0].cohort.subjects)


def test_a_run_is_reopened_without_naming_its_data_again(run: Run):
    assert len(reopened(run)) == 11


def test_a_folder_that_moved_is_found_by_the_environment_or_asked_for(run: Run, scored: Scored, monkeypatch):
    shutil.rmtree(scored.folder / "own")
    with pytest.raises(DataError, match="add --data DIR, or set UAD_BENCH_DATA"):
        reopened(run)
    monkeypatch.setenv(DATA_VARIABLE, str(scored.data))
    assert len(reopened(run)) == 11


def test_the_named_folder_comes_first_and_embedded_data_need_none(monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "/from/the/environment")
    brats, phantom = load_task("brats"), load_task("phantom")
    assert data_folder(brats, None) == Path("/from/the/environment")
    assert data_folder(brats, Path("/named")) == Path("/named")
    assert data_folder(phantom, None) is None


def test_the_folder_is_in_no_bundle(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip")
    assert str(remembered_data(run)) in run.local.read_text()
    assert b"local.json" not in (tmp_path / "b.zip").read_bytes()
