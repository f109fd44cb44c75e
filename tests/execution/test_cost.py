"""The cost of a run from its events."""

import time

import pytest

from uad_bench.execution.meter import metered
from uad_bench.runs.cost import cost_of, cost_of_folds
from uad_bench.runs.events import Fit, Fitted, Scored, Start


def scored(subject: str, seconds: float, *, slices: int = 10, **more):
    stored = {"sha256": "0", "bytes": 1, "shape": (1, 1, 1)}
    return Scored(subject=subject, seconds=seconds, slices=slices, **stored, **more)


def fit(seconds: float = 60.0, **more):
    return Fit(seconds=seconds, slices=1, **more)


START, FITTED = Start(), Fitted()


def test_scoring_is_timed_without_the_first_subject_of_each_rank():
    events = [
        START,
        fit(),
        scored("a", 9, rank=0),
        scored("b", 7, rank=1),
        scored("c", 1, rank=0),
        scored("d", 3, rank=1),
    ]
    cost = cost_of(events)
    assert cost.score_s_per_volume == 2.0
    assert cost.score_s_per_slice == pytest.approx(0.2)
    assert cost.fit_s == 60.0


def test_after_an_interruption_the_next_first_subject_is_cold_again():
    cost = cost_of([START, fit(9), scored("a", 9), scored("b", 1), START, fit(5), scored("c", 8), scored("d", 3)])
    assert cost.fit_s == 5.0
    assert cost.score_s_per_volume == 2.0
    assert cost.resumed


def test_a_single_subject_is_better_than_no_time():
    assert cost_of([START, scored("a", 4)]).score_s_per_volume == 4.0


def test_processor_time_is_all_work_or_nothing():
    assert cost_of([fit(cpu_seconds=10.0), scored("a", 1, cpu_seconds=2.0)]).cpu_s == 12.0
    assert cost_of([fit(cpu_seconds=10.0), scored("a", 1)]).cpu_s is None


def test_a_subject_that_was_scored_twice_counts_once():
    assert cost_of([scored("a", 1, cpu_seconds=5.0), scored("a", 1, cpu_seconds=2.0)]).cpu_s == 2.0


def test_gpu_seconds_are_those_for_which_gpus_were_held():
    events = [fit(50.0, ranks=4, peak_cuda_mib=900.0), scored("a", 3.0, peak_cuda_mib=1000.0)]
    assert cost_of(events).gpu_s == 4 * 50 + 3
    assert cost_of(events).peak_cuda_mib == 1000.0
    assert cost_of([fit(50.0), scored("a", 3.0)]).gpu_s is None


def test_costs_of_folds_add_up_but_memory_and_speed_do_not():
    folds = [cost_of([fit(s, cpu_seconds=s), scored("a", s, cpu_seconds=0.0, peak_rss_mib=s)]) for s in (10.0, 30.0)]
    merged = cost_of_folds(folds)
    assert (merged.fit_s, merged.cpu_s, merged.peak_rss_mib) == (40.0, 40.0, 30.0)
    assert merged.score_s_per_volume == 20.0


def test_a_span_measures_its_own_work_alone():
    burnt = time.process_time()
    while time.process_time() - burnt < 0.1:
        pass
    with metered() as spent:
        time.sleep(0.05)
    assert spent["seconds"] >= 0.05
    assert spent["cpu_seconds"] < 0.1
    assert spent["peak_rss_mib"] > 10
    assert "peak_cuda_mib" not in spent
