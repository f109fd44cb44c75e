"""The run folder: names that stay inside it, locks, events, and what counts as a run."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.made_results import made_record
from uad_bench.errors import ConfigError
from uad_bench.files import LONGEST_NAME, safe_name
from uad_bench.runs.events import End, Fit, Stopped
from uad_bench.runs.folder import Run, find_runs, run_at
from uad_bench.runs.opening import open_run

HOSTILE = [
    "", ".", "..", "../up", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", "-rf", ".hidden", "=cmd()", "<script>",
    "a..b", "a ", " a", "x" * 5000, "é" * 150, "a\u202eb", "a\u200fb", "\ud800", "con:", "a*b", "$(x)", "`x`", "a'b",
]  # fmt: skip
FINE = ["BraTS20_Training_001", "sub-7_ses-2", "Patient 1", "患者", "a.b", "x" * LONGEST_NAME, "Müller+2"]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_that_could_leave_the_folder_or_trick_a_reader_is_refused(name: str):
    with pytest.raises(ConfigError, match="cannot be a file name") as refusal:
        safe_name(name, "subject")
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", FINE, ids=ascii)
def test_names_that_people_use_are_fine(name: str):
    assert safe_name(name, "subject") == name


@given(name=st.text())
def test_whatever_name_is_accepted_is_one_file_inside_the_folder(name: str):
    try:
        path = Run(Path("/runs/t/m/seed0-1")).map(name)
    except ConfigError:
        return
    assert path.resolve().parent == Path("/runs/t/m/seed0-1/maps")
    assert len(os.fsencode(path.name)) <= 212
    assert path.name.isprintable()


@given(task=st.text(max_size=20), method=st.text(max_size=20))
def test_no_task_or_method_name_leads_out_of_the_runs_folder(task: str, method: str):
    try:
        run = run_at(Path("/runs"), task, method, 0, "0123456789")
    except ConfigError:
        return
    assert run.path.resolve().parents[2] == Path("/runs")


def finished(root: Path, name: str, status: str = "ok") -> Run:
    run = Run(root / "task" / name / "seed0-12345678").create()
    run.finish(made_record(name, run=name, status=status, metrics=[]))
    return run


def test_finished_and_failed_runs_are_found_and_unfinished_ones_are_not(tmp_path: Path):
    finished(tmp_path, "good")
    finished(tmp_path, "bad", status="failed")
    finished(tmp_path, "cut").done.unlink()
    Run(tmp_path / "task" / "begun" / "seed0-1").create()
    (broken := finished(tmp_path, "broken")).done.unlink()
    broken.record.write_text("{")
    assert [run.path.parent.name for run in find_runs(tmp_path)] == ["bad", "good"]


def test_a_task_with_wildcards_is_no_pattern(tmp_path: Path):
    with pytest.raises(ConfigError):
        find_runs(tmp_path, "*")


def test_a_run_is_opened_by_path_by_name_and_by_a_unique_part(tmp_path: Path):
    run = finished(tmp_path, "good")
    finished(tmp_path, "other")
    names = [str(run.path), "task/good/seed0-12345678", "good"]
    assert {open_run(tmp_path, name).path for name in names} == {run.path}


@pytest.mark.parametrize("name", ["seed0", "nothing"])
def test_a_name_of_several_or_no_runs_is_refused(tmp_path: Path, name: str):
    finished(tmp_path, "good")
    finished(tmp_path, "other")
    with pytest.raises(ConfigError, match="no single run"):
        open_run(tmp_path, name)


def test_events_come_back_as_they_were_logged(tmp_path: Path):
    run = Run(tmp_path).create()
    run.append(Stopped(error="first", message='é "quoted"\n'))
    run.append(Fit(seconds=1.5, slices=2))
    stopped, fit = run.read_events()
    assert (stopped.event, stopped.message, fit.event, fit.seconds) == ("stopped", 'é "quoted"\n', "fit", 1.5)


@given(tail=st.binary(max_size=80))
def test_whatever_stands_in_the_event_log_reading_it_gives_the_whole_events(
    tail: bytes, tmp_path_factory: pytest.TempPathFactory
):
    run = Run(tmp_path_factory.getbasetemp() / "fuzzed").create()
    run.events.write_bytes(json.dumps({"event": "start"}).encode() + b"\n" + tail)
    run.append(End(status="ok"))
    events = run.read_events()
    assert (events[0].event, events[-1].event) == ("start", "end")


def test_a_lock_leaves_temporary_files_of_the_dead_nowhere(tmp_path: Path):
    run = Run(tmp_path).create()
    for folder in (run.path, run.maps):
        (folder / ".map.npy.123.part").touch()
    with run.lock() as dead:
        assert dead == ""
        assert not list(run.path.rglob("*.part"))


def test_a_record_that_is_none_is_refused(tmp_path: Path):
    run = Run(tmp_path)
    run.record.write_text("[]")
    with pytest.raises(ConfigError, match="not a run record"):
        run.read_record()


def test_a_fold_is_named_with_its_run():
    run = Run(Path("/runs/task/method/seed0-12345678"))
    assert run.name == "task/method/seed0-12345678"
    assert Run(run.path / "fold2").name == f"{run.name}/fold2"


def test_folds_are_in_the_order_of_their_numbers(tmp_path):
    for number in range(12):
        (tmp_path / f"fold{number}").mkdir()
    assert [fold.path.name for fold in Run(tmp_path).folds] == [f"fold{number}" for number in range(12)]
