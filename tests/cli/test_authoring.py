"""`check-method`, `new-method` and `list methods` as they are typed."""

import json

import pytest
from typer.testing import CliRunner

from uad_bench.cli.app import app
from uad_bench.plugins.scaffold import write_method


@pytest.fixture
def typed():
    """Function that types a command and gives its result."""
    return lambda *words: CliRunner().invoke(app, list(map(str, words)), catch_exceptions=True)


def test_a_sound_method_ends_with_0_and_lists_every_check(typed):
    ended = typed("check-method", "intensity", "--json")
    results = {result["check"]: result["status"] for result in json.loads(ended.stdout)["intensity"]}
    assert len(results) == 22
    assert set(results.values()) == {"passed", "skipped"}


def test_a_broken_file_names_the_check_and_the_way_out(typed, tmp_path):
    (file, _), _ = write_method("upside-down", kind="file", folder=tmp_path)
    file.write_text(file.read_text().replace("return self.surprise_", "return -self.surprise_"))
    ended = typed("check-method", file)
    assert "upside-down breaks the contract: polarity" in ended.stdout
    assert "higher must mean more anomalous" in ended.stdout


def test_settings_of_the_task_are_refused(typed):
    ended = typed("check-method", "intensity", "--set", "task.size=8")
    assert "the checks use a fixed task" in str(ended.exception)


def test_a_new_file_says_what_to_type_next(typed, tmp_path):
    ended = typed("new-method", "rare-voxels", "--to", tmp_path)
    assert "uad-bench run --plugin" in ended.stdout


def test_methods_are_listed_with_origin_and_faults(typed, tmp_path):
    file = tmp_path / "needy.py"
    file.write_text("import surely_not_installed\nclass Needy: ...\nMETHODS = {'needy': Needy}\n")
    rows = {
        row["name"]: row for row in json.loads(typed("list", "methods", "--json", "--plugin", file).stdout)["methods"]
    }
    assert (rows["mmccd"]["family"], rows["mmccd"]["trained on"]) == ("translation", "healthy slices")
    assert rows["mmccd"]["origin"].startswith("uad-bench ")
    assert (rows["needy"]["origin"], rows["needy"]["trained on"]) == (str(file), "?")
    assert rows["needy"]["problem"] == "needs 'surely_not_installed', which is not installed"
