"""The main job from the outside: the command line on the tiny phantom, as a newcomer types it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from uad_bench.cli.app import _run

BASELINES = {"intensity", "intensity-coarse", "intensity-equalised", "mean-distance", "random", "symmetry", "z-score"}


def uad_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "uad_bench", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runs(no_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one trained method beside the baselines."""
    folder = tmp_path_factory.mktemp("runs")
    command = "run --method ae --task phantom-tiny --set budget.steps=4 --runs"
    assert _run([*command.split(), str(folder)], debug=False) == 0
    return folder


def test_a_run_leaves_everything_that_its_numbers_come_from(runs: Path):
    (run,) = (runs / "phantom-tiny" / "ae").iterdir()
    left = {path.name for path in run.iterdir()}
    assert left >= {
        "experiment.json", "events.jsonl", "checkpoint.safetensors", "maps", "MANIFEST.json",
        "metrics.csv", "sweep.csv", "record.json", "DONE",
    }  # fmt: skip
    manifest = json.loads((run / "MANIFEST.json").read_text())
    assert {path.stem for path in (run / "maps").iterdir()} == set(manifest["maps"])


def test_the_trivial_baselines_run_beside_a_method(runs: Path):
    assert {path.name for path in (runs / "phantom-tiny").iterdir()} == {"ae", *BASELINES}


def test_the_table_ranks_all_of_them_and_says_what_it_rests_on(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert _run(["leaderboard", "show", "--task", "phantom-tiny", "--runs", str(runs)], debug=False) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("ae", *BASELINES))
    assert all(word in shown for word in ("AUPRC", "dice@hFPR5", "oracle", "prevalence", "2 test patients"))


def test_the_same_command_again_shows_the_run_as_one_json_document_and_redoes_nothing(runs: Path):
    (stored,) = (runs / "phantom-tiny" / "ae").glob("*/record.json")
    before = stored.stat().st_mtime_ns
    command = "run --method ae --task phantom-tiny --set budget.steps=4 --json --runs"
    again = uad_bench(*command.split(), str(runs))
    assert again.returncode == 0
    assert "this run exists" in again.stderr
    assert stored.stat().st_mtime_ns == before
    record = json.loads(again.stdout)
    assert (record["schema"], record["status"], record["method"]["name"]) == (1, "ok", "ae")
    names = {(m["name"], m["policy"]) for m in record["metrics"]}
    assert {("auprc", None), ("dice", "hFPR5"), ("dice", "oracle"), ("prevalence", None)} <= names


@pytest.mark.slow
def test_folds_test_every_patient_once(no_processes: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = "run --method intensity --task phantom-tiny --folds 2 --no-baselines --json --runs"
    assert _run([*command.split(), str(tmp_path)], debug=False) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n_folds"] == 2
    tested = record["subjects"]["test"]
    assert len(tested) == len(set(tested)) == 8


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "--method", "anodpm"], 1, "unknown method 'anodpm'; did you mean 'anoddpm'"),
        (["run", "--method", "ae", "--task", "fantom"], 1, "unknown task 'fantom'; did you mean 'phantom'"),
        (
            ["run", "--method", "ae", "--pair", "flair:t3"],
            1,
            "unknown modality of task phantom 't3'; known: flair, t1, t1ce, t2",
        ),
        (["run", "--method", "ae", "--pair", "flair"], 1, "SOURCE:TARGET"),
        (["run", "--method", "ae", "--set", "task.siez=1"], 1, "did you mean 'size'"),
        (
            ["run", "--method", "ae", "--task", "phantom-tiny", "--set", "widht=1"],
            1,
            "unknown hyperparameter of ae 'widht'",
        ),
        (["run", "--method", "ae", "--task", "brats"], 3, "add --data DIR"),
        (["run", "--method", "ae", "--task", "brats", "--data", "/nowhere"], 3, "/nowhere"),
        (["run"], 1, "uad-bench run METHOD"),
        (["rnu"], 1, "No such command"),
        (["show", "nothing"], 1, "uad-bench list runs"),
        (["leaderboard", "show", "--task", "ms"], 1, "no runs of task 'ms'"),
        (["leaderboard", "show", "--task", "phantm"], 1, "did you mean 'phantom'"),
    ],
)
def test_bad_input_is_one_sentence_and_a_fixed_exit_code(
    no_processes, capsys, tmp_path: Path, arguments: list[str], code: int, sentence: str
):
    ended = _run([*arguments, *([] if arguments == ["rnu"] else ["--runs", str(tmp_path)])], debug=False)
    out, err = capsys.readouterr()
    assert ended == code, err
    assert sentence in err
    assert "Traceback" not in err
    assert out == ""


def test_the_exit_code_and_the_sentence_leave_the_process_and_debug_shows_where_an_error_came_from():
    done = uad_bench("run", "--method", "anodpm", "--debug")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean 'anoddpm'" in done.stderr
    assert "Traceback" in done.stderr


def loaded_modules(*arguments: str) -> set[str]:
    """Modules that the harness's own process has imported when a command ends."""
    script = f"""
import sys
sys.argv = {["uad-bench", *arguments]!r}
from uad_bench.cli import main
try:
    main()
except SystemExit:
    print("loaded:", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_help_does_not_load_what_it_does_not_need():
    heavy = {"torch", "sklearn", "pandas", "matplotlib", "scipy", "nibabel", "numpy", "pydantic.main"}
    assert not loaded_modules("--help") & heavy


@pytest.mark.slow
def test_a_whole_run_never_loads_torch_into_the_harness(tiny_baselines: Path, tmp_path: Path):
    shutil.copytree(tiny_baselines, tmp_path / "runs")
    command = ("run", "--method", "ae", "--task", "phantom-tiny", "--set", "latent=8", "--runs")
    assert "torch" not in loaded_modules(*command, str(tmp_path / "runs"))
    assert "torch" not in loaded_modules(*command, str(tmp_path / "runs"))  # and shows what is stored
