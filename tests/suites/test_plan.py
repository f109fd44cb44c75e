"""What a run will cost, from a few timed steps of it."""

from dataclasses import replace

import pytest

from tests.tiny_bench import TRAINED, write_method
from uad_bench.benchmark.request import Request
from uad_bench.config import compose
from uad_bench.console import Reporter, stderr
from uad_bench.method import Progress
from uad_bench.runs.cost import Cost
from uad_bench.runs.events import Scored
from uad_bench.suites import plan
from uad_bench.suites.plan import Plan, duration, sentences

PLAN = Plan(
    method="m", task="t", device="cpu", steps=1000, step_s=0.5, startup_s=10.0, select_s=0.0, volumes=20, score_s=2.0,
    peak_rss_mib=300.0, peak_cuda_mib=None, disk_mb=12.0, snapshot_mb=8.0, needed=None,
)  # fmt: skip


def test_time_grows_with_steps_and_patients():
    assert PLAN.fit_s == 510.0
    assert PLAN.total_s == 550.0
    assert replace(PLAN, select_s=100.0).fit_s == 610.0
    assert next(sentences(PLAN)).startswith(
        "m on t (cpu): about 9 min, without evaluation: training 8 min (1,000 steps"
    )


def test_steps_are_timed_from_the_first_report_of_each_network_to_the_last():
    times = iter([10.0, 12.0, 100.0, 106.0])
    steps = plan.StepTimes(lambda _: None, clock=lambda: next(times))
    for stage, step in (("forward", 1), ("forward", 3), ("backward", 1), ("backward", 3)):
        steps(Progress(stage, step, 3, loss=1.0))
    steps(Progress("scoring", 1, 3))
    assert steps.mean_s == 2.0


def test_selecting_weights_costs_the_scoring_of_implants_in_the_last_training_as_often_as_it_is_measured(tiny_cohort):
    steps = plan.StepTimes(lambda _: None)
    for stage, last in (("forward", plan.STEPS // 2), ("backward", plan.STEPS - plan.STEPS // 2)):
        steps(Progress(stage, last, last, loss=1.0))
    experiment = replace(compose("dae", tiny_cohort.task), select=1)  # 4 steps, of which the second network has 2
    slices = sum(len(tiny_cohort.healthy_slices(name)) for name in tiny_cohort.held_out(tiny_cohort.splits[0]))
    assert plan._selecting(experiment, steps, tiny_cohort, Cost(score_s_per_slice=0.5)) == 2 * slices * 0.5
    assert plan._selecting(replace(experiment, select=None), steps, tiny_cohort, Cost()) == 0.0


def test_the_first_patient_takes_longer_once_and_the_excess_is_start_up():
    stored = {"slices": 1, "sha256": "0", "bytes": 0, "shape": ()}
    events = [Scored(subject="a", seconds=5.0, **stored), Scored(subject="b", seconds=2.0, **stored)]
    assert plan._excess_of_first(events, Cost(score_s_per_volume=2.0)) == 3.0


def test_maps_take_as_many_bytes_per_voxel_as_those_that_were_stored():
    sizes = ((100, (5, 5, 2)), (200, (5, 5, 4)))
    maps = [Scored(subject="a", slices=1, seconds=1.0, sha256="0", bytes=size, shape=shape) for size, shape in sizes]
    assert plan._bytes_per_voxel(maps) == 2.0


@pytest.mark.parametrize(("seconds", "text"), [(40.2, "40 s"), (600, "10 min"), (12_600, "3.5 h")])
def test_durations_are_rounded_to_what_is_known(seconds, text):
    assert duration(seconds) == text


def test_a_shipped_board_says_how_many_patients_separate_a_method_from_the_baseline(tiny_cohort):
    small, large = (plan._needed("dae", tiny_cohort, difference) for difference in (0.02, 0.1))
    assert small.board == "brats"
    assert small.patients == pytest.approx(25 * large.patients, rel=0.2)  # a fifth of the difference


@pytest.mark.slow
def test_twenty_steps_are_timed_and_nothing_is_left_in_the_runs_folder(quick, tmp_path):
    entry = write_method(tmp_path / "plugins", "timed", **TRAINED)
    request = Request(method="timed", task="phantom-tiny", plugins=(entry.file,), runs=tmp_path / "runs")
    planned = plan.plan_run(request, Reporter(stderr()))
    assert planned.steps == 30
    assert planned.volumes == 4
    assert planned.fit_s >= planned.startup_s
    assert planned.disk_mb > 0
    assert not (tmp_path / "runs").exists()
