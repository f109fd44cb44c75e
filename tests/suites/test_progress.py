"""The table of a suite: counts, costs, and the time left."""

import pytest
from rich.console import Console

from tests.made_results import made_record
from uad_bench.suites.states import FULL, State, failures, suite_table, summary, time_left


def printed(table) -> str:
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_time_left_is_that_of_finished_cells_of_the_same_method(make_standing):
    standings = [
        make_standing("ae", State.DONE, 10.0, number=0),
        make_standing("ae", State.DONE, 20.0, number=1),
        make_standing("ae", State.RUNNING, 5.0, number=2),
        make_standing("ae", State.WAITING, number=3),
    ]
    assert time_left(standings, jobs=1) == pytest.approx((15 - 5) + 15)
    assert time_left(standings, jobs=2) == pytest.approx(12.5)
    assert time_left(standings, jobs=8) == pytest.approx(12.5)


def test_a_cell_that_runs_longer_than_expected_is_about_to_end(make_standing):
    standings = [make_standing("ae", State.DONE, 10.0), make_standing("ae", State.RUNNING, 60.0, number=1)]
    assert time_left(standings, jobs=1) == 0.0


def test_nobody_knows_how_long_a_method_takes_that_never_finished(make_standing):
    assert time_left([make_standing("ae", State.DONE, 1.0), make_standing("vae", State.WAITING)], jobs=1) is None


def test_nothing_is_left_of_a_finished_suite(make_standing):
    assert time_left([make_standing("ae", State.DONE, 1.0)], jobs=1) is None


def test_the_summary_counts_states_and_work(make_standing):
    standings = [make_standing("ae", State.DONE, 3.0), make_standing("ae", State.WAITING, number=1)]
    assert summary(standings, jobs=1) == "1 done, 1 waiting; 3 s of work; about 3 s left"


def test_few_cells_are_shown_one_by_one_with_what_a_running_one_says(make_standing):
    running = make_standing("mmccd", State.RUNNING, 3.0)
    text = printed(suite_table([running], title="s", doing={"mmccd-0": "forward 120/1600"}))
    assert "mmccd-0" in text
    assert "forward 120/1600" in text


def test_a_narrow_terminal_keeps_whole_names(make_standing):
    waiting = make_standing("phantom-tiny-intensity-equalised-seed0", State.WAITING)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(suite_table([waiting], title="s", width=80))
    assert waiting.name in capture.get()
    assert max(map(len, capture.get().splitlines())) <= 80


def test_many_cells_are_counted_by_task_and_method(make_standing):
    many = [make_standing("ae", State.DONE, 1.0, number=i) for i in range(FULL + 1)]
    text = printed(suite_table(many, title="s"))
    assert "phantom-tiny" in text
    assert str(FULL + 1) in text
    assert "ae-0" not in text


def test_a_failure_is_one_sentence(make_standing):
    record = made_record("ae", status="failed", reason="oom", message="no memory left")
    assert failures([make_standing("ae", State.FAILED, 1.0, record=record)]) == ["ae-0: FAILED(oom): no memory left"]
