"""What `run` says or refuses before anything is trained: odd data, and settings that cannot work."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.tiny_bench import TASK, SameProcess, gather_tiny, save, write_patients
from uad_bench.cli.app import _run
from uad_bench.config import exclude_patients
from uad_bench.data.cohort import prepare_working_slices
from uad_bench.output.caption import setting
from uad_bench.plugins.registry import baseline_methods
from uad_bench.runs.identity import identify
from uad_bench.runs.origin import identifying_fields
from uad_bench.runs.record import RunRecord


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs a baseline on the folder `data`; gives the exit code, what it printed and what it said."""
    (tmp_path / "tiny.toml").write_text(TASK)
    places = ("--task", f"{tmp_path}/tiny.toml", "--data", f"{tmp_path}/data", "--runs", f"{tmp_path}/runs")

    def go(*arguments: str, method: str = "random") -> tuple[int, str, str]:
        code = _run(["run", "--method", method, *places, *arguments], debug=False)
        return (code, *capsys.readouterr())

    return go


def change(file: Path, values) -> None:
    save(file, values(np.asarray(nib.load(file).dataobj)))


def test_scans_with_a_background_that_is_not_zero_are_refused_unless_asked_for(run, quick, tmp_path: Path):
    for file in write_patients(tmp_path / "data").rglob("*_t2.nii.gz"):
        change(file, lambda array: np.where(array == 0, 1, array))
    code, _, said = run("--no-baselines")
    assert (code, "task.whole_head=true" in said) == (3, True)
    assert not (tmp_path / "runs").exists()
    code, printed, said = run("--no-baselines", "--set", "task.whole_head=true", "--json")
    assert (code, said.count("warning: 8 of 8 patients")) == (0, 1)
    assert {"whole_head", "constant"} >= {warning["kind"] for warning in json.loads(printed)["warnings"]} != set()


def test_label_values_that_are_not_declared_are_said_once_and_recorded_in_every_run(run, quick, tmp_path: Path):
    data = write_patients(tmp_path / "data")
    change(data / "P3" / "P3_seg.nii.gz", lambda array: np.where(array, 9, 0).astype(np.uint8))
    code, _, said = run()
    assert (code, said.count("the dataset does not declare (9)")) == (0, 1)
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("record.json")]
    assert len(records) == len(baseline_methods())
    for record in records:
        (found,) = (w for w in record["warnings"] if w["kind"] == "undeclared_label_values")
        assert (found["count"], found["message"].startswith("1 of 8 patients (P3)")) == (1, True)


WRONG = {
    "a hyperparameter": (["--set", "smoothign=3"], "unknown hyperparameter of ae 'smoothign'"),
    "a protocol": (["--set", "task.protocol=nope"], "unknown protocol 'nope'; known: "),
    "slices outside the volume": (["--set", "task.slices=[900,905]"], "brain is in slices 0 to 5"),
    "a margin that leaves nothing": (["--set", "task.margin=9"], "lower the margin of 9 with --set task.margin=0"),
    "brain that nobody has": (["--set", "task.min_brain=1"], "lower task.min_brain or widen task.slices"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_setting_of_the_method_is_named_before_any_baseline_runs(
    run, quick, tiny_data, tmp_path, monkeypatch, what
):
    (tmp_path / "data").symlink_to(tiny_data)
    arguments, says = WRONG[what]
    code, _, said = run(*arguments, method="mean-distance" if "hyper" not in what else "ae")
    assert (code, says in said) == (1, True), said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("setting", ["steps=eight", "smoothign=3"])
def test_a_wrong_hyperparameter_is_refused_before_any_patient_is_read(
    run, quick, tiny_data, tmp_path, monkeypatch, setting
):
    def read(*_, **__):
        raise AssertionError("a patient was read")

    monkeypatch.setattr("uad_bench.data.cohort.take_census", read)
    (tmp_path / "data").symlink_to(tiny_data)
    code, _, said = run("--set", setting, method="ddpm")
    assert (code, setting.partition("=")[0] in said) == (1, True), said


def test_a_first_run_starts_a_process_for_the_method_and_one_for_its_baselines_and_identifies_each_row_once(
    run, tiny_data, tmp_path, monkeypatch
):
    started, identified = [], []

    class Counted(SameProcess):
        def __enter__(self):
            started.append(self.entry.name)
            return super().__enter__()

    def counted(experiment, *rest):
        identified.append(experiment.method)
        return identify(experiment, *rest)

    for module in ("runner", "started"):
        monkeypatch.setattr(f"uad_bench.benchmark.{module}.WorkerProcess", Counted)
    monkeypatch.setattr("uad_bench.execution.job.identify", counted)
    (tmp_path / "data").symlink_to(tiny_data)
    code, _, said = run()
    assert code == 0, said
    assert len(started) == 2
    assert sorted(identified) == sorted(baseline_methods())
    assert run()[0] == 0
    assert len(started) == 2
    assert not list((tmp_path / "runs").glob(".starting-*"))


@pytest.mark.slow
def test_a_first_run_finds_its_slices_although_the_cache_was_empty_when_its_process_started(
    run, tiny_data, tmp_path, monkeypatch
):
    monkeypatch.setenv("UAD_BENCH_CACHE", str(tmp_path / "fresh" / "cache"))
    (tmp_path / "data").symlink_to(tiny_data)
    code, _, said = run("--no-baselines")
    assert code == 0, said


def test_a_broken_patient_is_left_out_by_option_and_the_record_names_it(run, quick, tmp_path: Path):
    (write_patients(tmp_path / "data") / "P3" / "P3_t2.nii.gz").unlink()
    code, _, said = run("--no-baselines")
    assert (code, "--exclude ID" in said) == (3, True)
    code, printed, said = run("--no-baselines", "--exclude", "P3", "--json")
    record = json.loads(printed)
    assert (code, record["task"]["exclude"]) == (0, ["P3"])
    assert sorted(name for role in ("train", "val", "test") for name in record["subjects"][role]) == [
        f"P{i}" for i in range(8) if i != 3
    ]
    assert ", 1 excluded, " in setting(RunRecord.parse(record, "record"))[0]


def test_an_excluded_patient_who_is_not_there_is_refused(run, quick, tmp_path: Path):
    write_patients(tmp_path / "data")
    code, _, said = run("--no-baselines", "--exclude", "P33")
    assert (code, "exclude: no patient 'P33' in the data, which has P0 and others" in said) == (1, True)


def test_a_list_is_applied_without_the_patients_who_are_excluded(tmp_path: Path):
    data = write_patients(tmp_path / "data")
    (tmp_path / "mine.txt").write_text("train P0\ntrain P1\nval P2\ntest P3\ntest P4\n")
    cohort = gather_tiny(data, split=str(tmp_path / "mine.txt"), exclude=("P4", "P1"))
    assert [cohort.splits[0].role(role) for role in ("train", "val", "test")] == [("P0",), ("P2",), ("P3",)]


def test_a_task_that_excludes_nobody_has_the_identity_it_had(tmp_path: Path):
    cohort = gather_tiny(write_patients(tmp_path / "data"))
    assert "exclude" not in identifying_fields(cohort.task)
    assert identifying_fields(exclude_patients(cohort.task, ["P1"]))["exclude"] == ("P1",)


def test_slices_of_one_modality_are_prepared_for_a_task_that_reads_no_other(tmp_path: Path):
    cohort = gather_tiny(write_patients(tmp_path / "data"), modalities=("t2",), pair=("t2", "t1"))
    assert prepare_working_slices(cohort, report=lambda _: None).modalities == ("t2",)


def test_an_unknown_split_is_refused_before_any_patient_is_read(run):
    code, _, said = run("--split", "foo")
    assert code == 1
    assert said == "uad-bench: unknown split 'foo'; known: dae, dataset, hash, itermask2, mmccd, mmccd-val, pddpm\n"
