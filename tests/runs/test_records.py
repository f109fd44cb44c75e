"""Records are models on the way through the harness and the same JSON on disk."""

import json
from pathlib import Path

import pytest

from tests.made_results import made_record
from uad_bench.boards.storage import BOARD, Provenance
from uad_bench.errors import ConfigError
from uad_bench.files import read_json
from uad_bench.resources import resource_path
from uad_bench.runs.events import Fit, LabelAccess, Remark, parse_line
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord, event_warnings, record_digest

BOARDS = sorted(path for path in resource_path("leaderboards").iterdir() if any(path.glob("*-seed*.json")))


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_shipped_rows_keep_their_values_and_their_keys_except_one_that_was_renamed(board: Path):
    for path in board.glob("*-seed*.json"):
        stored = read_json(path)
        record = RunRecord.model_validate({key: value for key, value in stored.items() if key != BOARD})
        again = {**record.to_json(), BOARD: Provenance.model_validate(stored[BOARD]).to_json()}
        assert record_digest(stored) == stored["digest"]
        assert again == {{"bootstrap": "jackknife"}.get(key, key): value for key, value in stored.items()}


def test_a_record_comes_back_from_disk_as_it_was_and_is_written_with_the_same_bytes(tmp_path: Path):
    run = Run(tmp_path / "made" / "ae" / "seed0-0123abcd").create()
    run.finish(run.seal(made_record(cost={"fit_s": None}, reason=None)))
    before = run.record.read_bytes()
    run.finish(run.read_record())
    assert run.record.read_bytes() == before
    assert json.loads(before)["cost"]["fit_s"] is None


def test_keys_of_a_newer_version_are_kept():
    record = made_record(invented={"a": [1]}, task={"invented": 2})
    assert record.to_json()["invented"] == {"a": [1]}
    assert record.to_json()["task"]["invented"] == 2


def test_an_exact_threshold_is_a_number_in_python_and_hexadecimal_on_disk():
    record = made_record(thresholds={"hFPR5": (0.1).hex(), "valDice": None})
    assert record.thresholds == {"hFPR5": 0.1, "valDice": None}
    assert record.to_json()["thresholds"] == {"hFPR5": "0x1.999999999999ap-4", "valDice": None}


@pytest.mark.parametrize("text", ['{"metrics": []}', "[]", '{"run": 3}'])
def test_a_document_that_is_no_record_is_refused_with_the_field(tmp_path: Path, text: str):
    Run(tmp_path).record.write_text(text)
    with pytest.raises(ConfigError, match=r"not a run record: \w+"):
        Run(tmp_path).read_record()


@pytest.mark.parametrize("line", [b'{"event": "fit"}', b'{"event": "sco', b'{"event": "unheard"}', b"[]", b"\xff"])
def test_a_line_that_is_no_event_is_left_out(line: bytes):
    assert parse_line(line) is None


def test_an_event_is_written_with_the_keys_that_it_was_given():
    assert Fit(seconds=1.5, slices=2).to_json() == {"event": "fit", "seconds": 1.5, "slices": 2}


def test_a_warning_counts_once_for_each_patient():
    remarks = [Remark(kind="constant_map", subject=subject) for subject in ("P0", "P0", "P1")]
    counted = event_warnings([*remarks, LabelAccess(path="/seg"), LabelAccess(path="/seg")])
    assert [(warning.kind, warning.count) for warning in counted] == [("constant_map", 2), ("label_access", 1)]
