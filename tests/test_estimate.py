"""The expected time that is printed before a long job."""

from types import SimpleNamespace

import pytest

from tests.made_results import made_record, write_run
from uad_bench.benchmark.estimate import announce
from uad_bench.config import load_task
from uad_bench.data.split import Split
from uad_bench.method import Budget


def job_of(method, task, *, finished=False, device="cpu"):
    """As much of a job as an estimate reads: ten validation and test patients."""
    split = Split("made", (), tuple("abcd"), tuple("efghij"))
    run = SimpleNamespace(finished=finished)
    asked = SimpleNamespace(method=method)
    return SimpleNamespace(
        run=run, split=split, folds=(), device=device, experiment=asked, cohort=SimpleNamespace(task=task)
    )


def made_task():
    return SimpleNamespace(name="made", budget=Budget(10, 2))


def test_an_earlier_run_of_ones_own_tells_the_time(tmp_path):
    cost = {"fit_s": 280.0, "score_s_per_volume": 2.0}
    write_run(tmp_path, made_record("ae", cost=cost))
    assert announce(job_of("ae", made_task()), tmp_path) == "expected: about 5 min (measured on made, ? cores)"


def test_training_with_another_budget_is_scaled_by_the_number_of_slices(tmp_path):
    write_run(tmp_path, made_record("ae", cost={"fit_s": 280.0, "score_s_per_volume": 2.0}))
    task = SimpleNamespace(name="made", budget=Budget(20, 2))
    said = "expected: about 10 min (measured on made, ? cores, scaled from 10 steps of 2 slices)"
    assert announce(job_of("ae", task), tmp_path) == said


@pytest.mark.parametrize(
    ("method", "device", "finished"), [("vae", "cpu", False), ("ae", "cuda", False), ("ae", "cpu", True)]
)
def test_other_methods_and_devices_tell_nothing_and_neither_do_stored_runs(method, device, finished, tmp_path):
    write_run(tmp_path, made_record("ae", cost={"fit_s": 280.0}))
    assert announce(job_of(method, made_task(), device=device, finished=finished), tmp_path) == ""


def test_short_jobs_are_not_announced(tmp_path):
    write_run(tmp_path, made_record("ae", cost={"fit_s": 20.0, "score_s_per_volume": 1.0}))
    assert announce(job_of("ae", made_task()), tmp_path) == ""


def test_the_shipped_leaderboard_tells_the_time_of_a_first_run(tmp_path):
    said = announce(job_of("mmccd", load_task("phantom")), tmp_path)
    assert said.startswith("expected: about ")
    assert "min (measured on" in said
