"""The event log is judged: one start and one end an attempt, in order, every patient stored once or repaired."""

from typing import Any

import pytest

from tests.scored import Scored
from uad_bench.runs.integrity import check_events, check_log

RECORD: dict[str, Any] = {"status": "ok", "subjects": {"test": ["P1", "P2"]}}


def events(*names: str) -> list[dict[str, Any]]:
    """Events by name; `scored:P1` says whose, `end:failed` says how it ended."""
    made = []
    for name in names:
        event, _, detail = name.partition(":")
        key = {"scored": "subject", "end": "status", "start": "after_death_of", "repaired": "file"}.get(event, "detail")
        made.append(
            {"event": event, **({key: detail} if detail else {}), **({"status": "ok"} if name == "end" else {})}
        )
    return made


WHOLE = ("start", "described", "fit", "fitted", "scored:P1", "scored:P2", "end")


@pytest.mark.parametrize(
    "names",
    [
        WHOLE,
        ("start", "fit", "stopped", *WHOLE),
        ("start", "fit", "scored:P1", "start:123", "fitted", "scored:P2", "end"),
        (*WHOLE, "repaired:maps/P1.npy", "start", "scored:P1", "end"),
    ],
)
def test_a_log_in_order_has_no_finding(names: tuple[str, ...]):
    assert check_events(events(*names), RECORD) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "does not begin with a start"),
        (WHOLE[1:], "does not begin with a start"),
        (WHOLE[:-1], "has no end"),
        ((*WHOLE, "end"), "end without a start"),
        (("start", *WHOLE), "never ended"),
        (("start", "described", "scored:P1", "fit", "scored:P2", "end"), "fit comes too late"),
        (("start", "scored:P1", "end"), "patient P2 was ever stored"),
        (("start", "scored:P1", "scored:P2", "scored:P2", "end"), "P2 was scored 2 times"),
        ((*WHOLE, "scored:P1"), "outside of any attempt"),
        ((*WHOLE[:-1], "end:failed"), "ends with failed"),
    ],
)
def test_each_disorder_is_named(names: tuple[str, ...], words: str):
    assert any(words in str(finding) for finding in check_events(events(*names), RECORD))


def test_the_log_of_a_real_run_is_in_order(scored: Scored):
    assert check_log(scored.run_of(scored.judge("noisy"))) == []
