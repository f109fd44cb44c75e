"""The event log is judged: one start and one end an attempt, in order, every patient stored once or repaired."""

import json

import pytest

from tests.made_results import made_record
from tests.scored import Scored
from uad_bench.runs.events import Event, parse_line
from uad_bench.runs.integrity import check_events

RECORD = made_record(subjects={"test": ["P1", "P2"]})
DETAIL = {"scored": "subject", "end": "status", "start": "after_death_of", "repaired": "file"}
USUAL = {
    "described": {"fit": [], "score": []},
    "fit": {"seconds": 1, "slices": 1},
    "scored": {"seconds": 1, "slices": 1, "sha256": "0", "bytes": 1, "shape": [1, 1, 1]},
    "stopped": {"error": "KeyboardInterrupt"},
    "end": {"status": "ok"},
}


def events(*names: str) -> list[Event]:
    """Events by name; `scored:P1` says whose, `end:failed` says how it ended."""
    made = []
    for name in names:
        event, _, detail = name.partition(":")
        details = {DETAIL[event]: detail} if detail else {}
        made.append(parse_line(json.dumps({"event": event, **USUAL.get(event, {}), **details}).encode()))
    return made


WHOLE = ("start", "described", "fit", "fitted", "scored:P1", "scored:P2", "end")


@pytest.mark.parametrize(
    "names",
    [
        WHOLE,
        ("start", "fit", "stopped", *WHOLE),
        ("start", "fit", "scored:P1", "start:123", "fitted", "scored:P2", "end"),
        (*WHOLE, "repaired:maps/P1.safetensors", "start", "scored:P1", "end"),
    ],
)
def test_a_log_in_order_has_no_finding(names: tuple[str, ...]):
    assert check_events(events(*names), RECORD) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "does not begin with a start event"),
        (WHOLE[1:], "does not begin with a start event"),
        (WHOLE[:-1], "has no end"),
        (("start", "fit", "stopped"), "has no end"),
        ((*WHOLE, "end"), "end without a start"),
        (("start", *WHOLE), "previous attempt did not end"),
        (("start", "described", "scored:P1", "fit", "scored:P2", "end"), "fit is out of order"),
        (("start", "scored:P1", "end"), "no map of test patient P2 was stored"),
        (("start", "scored:P1", "scored:P2", "scored:P2", "end"), "P2 was scored 2 times"),
        ((*WHOLE, "scored:P1"), "outside of any attempt"),
        ((*WHOLE[:-1], "end:failed"), "ends with failed"),
    ],
)
def test_each_disorder_is_named(names: tuple[str, ...], words: str):
    assert any(words in str(finding) for finding in check_events(events(*names), RECORD))


def test_a_warning_about_the_patients_is_in_no_log():
    warned = made_record(subjects={"test": ["P1", "P2"]}, warnings=[{"kind": "large", "count": 1, "message": "of P1"}])
    assert check_events(events(*WHOLE), warned) == []


def test_the_log_of_a_real_run_is_in_order(scored: Scored):
    run = scored.run_of(scored.judge_noisy())
    assert check_events(run.read_events(), run.read_record()) == []
