"""`leaderboard`, `show` and `report` as they are typed."""

import json
import re

import pytest
from typer.testing import CliRunner

from tests.made_results import made_record, write_run
from uad_bench.cli.app import app


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Function that types a command about runs of two baselines and a method."""
    monkeypatch.setattr("uad_bench.output.publishing.baseline_methods", lambda: ("random", "intensity"))
    for method, auprc in (("random", 0.02), ("intensity", 0.4), ("ae", 0.6)):
        write_run(tmp_path / "runs", made_record(method, 0, auprc))
    return lambda *words: CliRunner().invoke(app, [*map(str, words), "--runs", str(tmp_path / "runs")])


def test_a_leaderboard_is_shown_as_a_table_and_as_one_json_document(typed):
    assert re.search(r"ae +0\.600 \[0\.5\d\d, 0\.6\d\d\]", typed("leaderboard", "show", "--task", "made").stdout)
    document = json.loads(typed("leaderboard", "show", "--task", "made", "--json").stdout)
    assert [row["method"] for row in document["tables"][0]["rows"]] == ["ae", "intensity", "random"]


def test_in_a_terminal_of_80_columns_a_leaderboard_is_one_table_per_chain(typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    whole = typed("leaderboard", "show", "--task", "made").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    brief = typed("leaderboard", "show", "--task", "made")
    assert (brief.stdout.count("random"), brief.stdout.count("beats baselines?")) == (1, 1)
    assert "--all" in brief.stderr
    assert "oracle Dice" in whole
    assert "oracle Dice" in typed("leaderboard", "show", "--task", "made", "--all").stdout


def test_a_latex_table_of_chosen_columns_and_one_chain_is_a_single_float():
    words = ("leaderboard", "export", "--task", "phantom", "-f", "latex", "--columns", "rank,method,auprc,beats")
    one, both = (CliRunner().invoke(app, [*words, *chain]).stdout for chain in (("--chain", "none"), ()))
    assert (one.count(r"\begin{table}"), both.count(r"\begin{table}")) == (1, 2)
    assert "raw maps" in one


def test_a_leaderboard_is_built_added_to_and_exported(typed, tmp_path):
    boards = tmp_path / "boards"
    assert typed("leaderboard", "build", "--task", "made", "-o", boards).exit_code == 0
    assert typed("leaderboard", "add", "made/ae/seed0-0123abcd", "-o", boards).exit_code == 0
    assert (boards / "made.md").exists()
    for form in ("md", "csv", "json", "latex", "html", "table"):
        assert "ae" in typed("leaderboard", "export", "--task", "made", "--format", form).stdout


def test_a_task_without_runs_shows_what_papers_report(typed):
    shown = typed("leaderboard", "show", "--task", "brats21-mmccd")
    assert "Reported" in shown.stdout
    assert "0.6092" in shown.stdout


def test_a_task_without_runs_or_leaderboard_shows_how_to_run_it(typed):
    assert "uad-bench run --task nothing" in str(typed("leaderboard", "show", "--task", "nothing").exception)


def test_one_run_is_shown_with_its_patients(typed):
    assert "P07" in typed("show", "made/ae").stdout
    assert json.loads(typed("show", "made/ae", "--json").stdout)["seed"] == 0


def test_a_report_of_a_task_is_one_file(typed, tmp_path):
    ended = typed("report", "--task", "made", "--no-images", "-o", tmp_path / "r.html")
    assert ended.exit_code == 0
    assert (tmp_path / "r.html").stat().st_size > 50_000


def test_a_report_of_nothing_says_what_to_name(typed):
    assert "name runs" in str(typed("report").exception)


CHANGES = {
    "record.json": lambda text: text.replace("0.6", "0.9", 1),
    "metrics.csv": lambda text: text.replace("0.", "1.", 1),
    "rescored/volume-common.json": lambda _: '{"digest": "made up"}',
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    "words",
    [
        ("leaderboard", "show", "--task", "made"),
        ("leaderboard", "build", "--task", "made", "-o", "BOARDS"),
        ("leaderboard", "export", "--task", "made"),
        ("report", "--task", "made", "-o", "BOARDS/r.html"),
        ("show", "made/ae"),
        ("compare", "made/ae", "made/random"),
    ],
    ids=" ".join,
)
def test_a_run_that_was_changed_by_hand_is_refused_by_name(typed, tmp_path, name, words):
    changed = tmp_path / "runs/made/ae/seed0-0123abcd" / name
    changed.parent.mkdir(exist_ok=True)
    changed.write_text(CHANGES[name](changed.read_text() if changed.exists() else ""))
    error = typed(*(word.replace("BOARDS", str(tmp_path / "boards")) for word in words)).exception
    assert getattr(error, "exit_code", None) == 5
    assert f"made/ae/seed0-0123abcd: {name}" in str(error)
    assert not list((tmp_path / "boards").glob("*"))
