"""The check of a GPU, rehearsed on the CPU with tiny sizes."""

import json
import sys

import pytest

from tests.gpu import check


@pytest.mark.slow
def test_the_rehearsal_runs_every_check_and_writes_one_document(tmp_path, monkeypatch, capsys):
    output = tmp_path / "gpu-check.json"
    monkeypatch.setattr(sys, "argv", ["check.py", "--rehearse", f"--output={output}"])
    assert check.main() == 0
    document = json.loads(output.read_text())
    assert (document["rehearsal"], document["gpu"]) == (True, None)
    found = {row["name"]: row for row in document["checks"]}
    assert len(found) == 10
    assert [row["passed"] for row in document["checks"]].count(True) == 3
    assert found["dae, bf16"]["found"]["slices per s"] > 0
    assert found["passes halved after out of memory"]["found"] == {"slices per pass": 4}
    assert "one checkpoint on CPU and GPU" in capsys.readouterr().out


def test_checks_stop_at_the_time_limit(monkeypatch):
    monkeypatch.setattr(check, "agreement", lambda *_: check.Check("first", True, {}))
    assert [row.name for row in check.run_checks("cpu", check.REHEARSAL, limit_s=-1.0)] == ["first", "stopped"]


def test_a_failed_check_is_shown_as_such():
    shown = check.table([check.Check("a", False, {"x": 1.23456})], "")
    assert [list(column.cells) for column in shown.columns] == [["a"], ["no"], ["x 1.235"]]
