"""Provenance: what a record says of the code and the machine, and that it says nothing of its folders."""

import subprocess
import sys
from pathlib import Path

import pytest

from uad_bench.runs.environment import code_version, environment, gpu_names


def test_versions_hardware_and_settings_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    told = environment("cpu")
    assert told.packages["torch"]
    assert told.settings["OMP_NUM_THREADS"] == "3"
    assert told.memory_mib > 100
    assert told.cores >= 1
    assert len(told.packages_digest) == 64


def test_the_command_is_told_without_folders(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["/opt/bin/uad-bench", "run", "--data", "/home/me/brats", "--runs=/tmp/r"])
    assert environment("cpu").command == ("uad-bench", "run", "--data", "brats", "--runs=r")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text("a = 1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True)
    code_version.cache_clear()
    return tmp_path


def test_a_checkout_is_named_by_its_commit_and_changes_since_by_their_digest(checkout: Path):
    clean = code_version(checkout)
    assert clean
    assert len(clean.commit) == 40
    assert clean.changes is None
    (checkout / "code.py").write_text("a = 2\n")
    code_version.cache_clear()
    assert code_version(checkout).changes


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path):
    assert code_version(tmp_path) is None


def test_gpus_are_named_as_the_driver_names_them(tmp_path: Path):
    (tmp_path / "0000:01").mkdir()
    (tmp_path / "0000:01" / "information").write_text("Model: \t\t NVIDIA X\nIRQ: 7\n")
    assert gpu_names(tmp_path) == ["NVIDIA X"]
