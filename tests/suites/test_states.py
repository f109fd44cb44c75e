"""What became of a cell is read off its run folder."""

from uad_bench.benchmark.request import Request
from uad_bench.runs.events import Start
from uad_bench.suites import states
from uad_bench.suites.states import Place, State, locate, survey
from uad_bench.suites.suite import Cell

CRASH = "raise RuntimeError('planned')"


def place_of(quick, entry) -> Place:
    return Place(Cell(entry.name, Request(method=entry.name)), quick.folder_of(entry))


def test_a_cell_that_never_ran_waits(quick):
    assert place_of(quick, quick.write("early")).state is State.WAITING


def test_a_finished_cell_is_done_and_gives_its_record(quick):
    entry = quick.write("good")
    quick.run(entry)
    (standing,) = survey([place_of(quick, entry)])
    assert standing.state is State.DONE
    assert standing.record.method.name == "good"
    assert standing.seconds >= 0


def test_a_method_that_failed_is_a_failed_cell(quick):
    entry = quick.write("bad", score=CRASH)
    quick.run(entry)
    (standing,) = survey([place_of(quick, entry)])
    assert standing.state is State.FAILED
    assert standing.record.reason == "crash"


def test_a_cell_whose_process_is_gone_is_stopped(quick):
    place = place_of(quick, quick.write("gone"))
    place.run.create().append(Start(resumed=False))
    assert place.state is State.STOPPED


def test_a_failed_cell_that_was_stopped_at_its_second_try_is_stopped(quick):
    entry = quick.write("again", score=CRASH)
    quick.run(entry)
    place = place_of(quick, entry)
    place.run.append(Start(resumed=True))
    assert place.state is State.STOPPED


def test_a_cell_that_a_process_holds_is_running(quick):
    place = place_of(quick, quick.write("busy"))
    with place.run.lock():
        assert place.state is State.RUNNING
    assert place.state is not State.RUNNING


def test_a_cell_in_a_job_systems_queue_is_queued_unless_it_is_done(quick):
    done, waiting = quick.write("done"), quick.write("later")
    quick.run(done)
    places = [place_of(quick, done), place_of(quick, waiting)]
    assert [s.state for s in survey(places, queued=frozenset({"done", "later"}))] == [State.DONE, State.QUEUED]


def test_what_was_done_is_not_read_again(quick):
    entry = quick.write("good")
    quick.run(entry)
    places = [place_of(quick, entry)]
    before = survey(places)
    quick.folder_of(entry).record.unlink()
    assert survey(places, before=before) == before


def test_what_is_only_shown_reads_no_patients_of_a_method_that_never_ran(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "gather", None)
    cell = Cell("random", Request(method="random", runs=tmp_path))
    (place,) = locate([cell], lambda _: None, only_shown=True)
    assert place.state is State.WAITING
