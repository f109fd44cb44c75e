"""What the machine command says."""

import json

import pytest

from uad_bench.cli.app import _run
from uad_bench.execution.sandbox import VARIABLE


def test_it_names_the_isolation_and_the_hardware(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv(VARIABLE, "audit-hook")
    assert _run(["machine"], debug=False) == 0
    assert "audit-hook (not isolated" in capsys.readouterr().out
    assert _run(["machine", "--json"], debug=False) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["isolation"] == "audit-hook"
    assert told["cores"] >= 1
