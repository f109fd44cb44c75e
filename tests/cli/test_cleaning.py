"""`runs ls`, `runs rm` and `runs prune` remove what they name and nothing else."""

import io
import json

import pytest
from typer.testing import CliRunner

from tests.made_results import made_failure, made_record, write_run
from uad_bench.cli.app import app
from uad_bench.cli.options import complete_method, complete_run, complete_task
from uad_bench.errors import ConfigError
from uad_bench.runs.folder import Run
from uad_bench.runs.removal import remove_maps, remove_run, size_of, unfinished_runs, write_size


@pytest.fixture
def runs(tmp_path):
    """A runs folder with a finished, a failed and an interrupted run."""
    root = tmp_path / "runs"
    finished = write_run(root, made_record("ae"))
    finished.map("P00").write_bytes(bytes(1_500_000))
    write_run(root, made_failure("vae"))
    Run(root / "made/dae/seed0-01234567").create().experiment.write_text("{}")
    return root


def typed(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def left(root):
    return {path.parent.name for path in root.glob("made/*/seed*")}


@pytest.mark.parametrize(
    ("size", "text"), [(1_234, "1.2 kB"), (99_900, "99.9 kB"), (300_000, "0.3 MB"), (2_500_000_000, "2.5 GB")]
)
def test_a_size_is_written_in_a_unit_that_shows_it(size: int, text: str):
    assert write_size(size) == text


def test_a_run_that_is_named_is_removed_with_the_folders_that_this_empties(runs):
    ended = typed("runs", "rm", "made/ae", "--yes", "--runs", runs)
    assert ended.exit_code == 0
    assert "freed 1.5 MB" in ended.stdout
    assert left(runs) == {"vae", "dae"}
    assert not (runs / "made/ae").exists()


def test_pruning_removes_failed_and_interrupted_runs(runs):
    assert typed("runs", "prune", "--yes", "--runs", runs).exit_code == 0
    assert left(runs) == {"ae"}


def test_pruning_maps_keeps_the_results(runs):
    assert typed("runs", "prune", "--maps", "--yes", "--runs", runs).exit_code == 0
    (run,) = (run for run in map(Run, runs.glob("made/ae/*")))
    assert run.read_record().value("auprc") == 0.6
    assert not run.maps.exists()


def test_nothing_is_removed_without_an_answer(runs):
    assert "add --yes" in str(typed("runs", "prune", "--runs", runs).exception)
    assert left(runs) == {"ae", "vae", "dae"}


@pytest.mark.parametrize(("answer", "kept"), [("y\n", {"ae"}), ("\n", {"ae", "vae", "dae"})])
def test_the_answer_decides(answer, kept, runs, monkeypatch):
    from uad_bench.cli.runs import runs_prune

    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    if "y" in answer:
        runs_prune(runs=runs)
    else:
        with pytest.raises(ConfigError, match="nothing was removed"):
            runs_prune(runs=runs)
    assert left(runs) == kept


def test_a_run_in_progress_is_kept(runs):
    (interrupted,) = (run for run in unfinished_runs(runs) if "dae" in run.name)
    with interrupted.lock():
        assert interrupted not in list(unfinished_runs(runs))
        with pytest.raises(ConfigError, match="is working on this run"):
            remove_run(interrupted, runs)
    assert interrupted.path.exists()


def test_nothing_outside_the_runs_folder_is_removed(runs, tmp_path):
    elsewhere = write_run(tmp_path / "other", made_record("ae"))
    (runs / "made/link").symlink_to(elsewhere.path.parent)
    for outside in (
        Run(runs / "seed0-01234567"),
        elsewhere,
        Run(runs / "made/link" / elsewhere.path.name),
        Run(runs),
        Run(runs / "made"),
    ):
        with pytest.raises(ConfigError, match="not a run of the folder"):
            remove_run(outside, runs)
    assert elsewhere.record.exists()


def test_maps_of_folds_are_removed_with_those_of_their_run_and_links_have_no_size(tmp_path):
    run = Run(tmp_path / "made/ae/seed0-01234567").create()
    fold = Run(run.path / "fold0").create()
    fold.map("P0").write_bytes(bytes(10))
    fold.map("P1").symlink_to(fold.map("P0"))
    assert remove_maps(run, tmp_path) == 10
    assert not run.maps.exists()
    assert not fold.maps.exists()


def test_runs_are_listed_with_their_size_and_what_tells_them_apart(runs):
    other = made_record("ae", run="made/ae/seed0-76543210")
    write_run(runs, other.model_copy(update={"method": other.method.model_copy(update={"params": {"power": 2.0}})}))
    rows = {row["run"]: row for row in json.loads(typed("runs", "ls", "--json", "--runs", runs).stdout)["runs"]}
    assert rows["made/ae/seed0-76543210"]["settings"] == "power=2.0"
    assert rows["made/vae/seed0-0123abcd"]["settings"] == ""
    assert rows["made/ae/seed0-0123abcd"]["bytes"] == size_of(runs / "made/ae/seed0-0123abcd")


def test_names_are_completed(runs):
    assert complete_method("mmc") == ["mmccd"]
    assert complete_task("phantom-t") == ["phantom-tiny"]
    (context,) = [type("Context", (), {"params": {"runs": runs}})()]
    assert complete_run(context, "made/a") == ["made/ae/seed0-0123abcd"]
