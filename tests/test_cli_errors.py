"""Whatever is typed wrong ends in one sentence that names the thing, with the project's exit code and no traceback."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiny_bench import TinyBench, write_patients
from uad_bench.cli.app import _run

pytestmark = pytest.mark.usefixtures("no_processes")
TINY = ["--task", "phantom-tiny", "--no-baselines"]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs the command line; gives the exit code and what it said on standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        code = _run([argument.replace("TMP", str(tmp_path)) for argument in arguments], debug=False)
        return code, capsys.readouterr().err

    return run


WRONG = {
    "a method's near name": (["run", "--method", "mmcd"], "unknown method 'mmcd'; did you mean 'mmccd'"),
    "a task's near name": (
        ["run", "-m", "random", "--task", "fantom"],
        "unknown task 'fantom'; did you mean 'phantom'",
    ),
    "a modality": (["run", "-m", "random", *TINY, "--pair", "flare:t2"], "did you mean 'flair'"),
    "a pair without colon": (["run", "-m", "random", *TINY, "--pair", "flair"], "SOURCE:TARGET"),
    "a task's field": (["run", "-m", "random", *TINY, "--set", "task.sice=3"], "unknown key 'sice'"),
    "a value out of range": (
        ["run", "-m", "random", *TINY, "--set", "task.size=1"],
        "size: must be greater than or equal to 8 (got 1)",
    ),
    "a setting without value": (["run", "-m", "random", *TINY, "--set", "steps"], "KEY=VALUE"),
    "an option": (["run", "--metod", "ae"], "--metod"),
    "a command": (["rum"], "rum"),
    "a profile": (["run", "-m", "random", *TINY, "--profile", "publshed"], "profile of random"),
    "a plugin file": (["run", "-m", "random", *TINY, "--plugin", "TMP/none.py"], "does not exist"),
    "a run": (["show", "nothing", "--runs", "TMP"], "no single run 'nothing'"),
    "a bundle of nothing": (
        ["bundle", "make", "nothing", "-o", "TMP/x.zip", "--runs", "TMP"],
        "no single run 'nothing'",
    ),
    "a bundle without place": (["bundle", "make", "nothing", "--runs", "TMP"], "Missing option '--output'"),
    "a bundle to check": (["bundle", "check"], "Missing argument 'FILE'"),
    "a bundle that is absent": (["bundle", "check", "TMP/x.zip"], "No such file"),
    "a method name as a path": (["run", "-m", "../evil", *TINY], "unknown method '../evil'"),
    "a method name of 5,000 letters": (["run", "-m", "x" * 5000, *TINY], "unknown method"),
    "a budget of nothing": (
        ["run", "-m", "random", *TINY, "--set", "budget.steps=0"],
        "steps and batch_size must be 1",
    ),
    "an empty batch": (
        ["run", "-m", "random", *TINY, "--set", "budget.batch_size=-2"],
        "steps and batch_size must be 1",
    ),
    "a pair of one": (["run", "-m", "random", *TINY, "--pair", "flair:flair"], "the two modalities must differ"),
    "slices the wrong way round": (["run", "-m", "random", *TINY, "--set", "task.slices=[9,3]"], "not after the last"),
    "one fold": (["run", "-m", "random", *TINY, "--folds", "1"], "use 0 for a single split, or 2 or more"),
    "no method": (["run", *TINY], "no method given: uad-bench run METHOD"),
    "a plugin with one method": (["run", "--plugin", "TMP/none.py", *TINY], "does not exist"),
    "a device": (["run", "-m", "random", *TINY, "--device", "gpu"], "Invalid value for '--device': 'gpu'"),
    "two methods": (["run", "-m", "random", "-m", "ae", *TINY], "2 methods given (random, ae)"),
    "runs in a file": (["list", "runs", "--runs", __file__], "this is a file"),
    "a number that is none": (
        ["run", "-m", "mean-distance", *TINY, "--set", "smoothing=NaN", "--runs", "TMP"],
        "recorded",
    ),
    "a bomb of brackets": (
        ["run", "-m", "random", *TINY, "--set", "x=" + "[" * 100_000, "--runs", "TMP"],
        "hyperparameter",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_slip_is_named_in_one_sentence_with_exit_code_1(say, what: str):
    arguments, says = WRONG[what]
    code, said = say(*arguments)
    assert code == 1
    assert says in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("uad-bench: ")


SOUND_TASK = """
dataset = "phantom"
modalities = ["flair", "t2"]
split = "dataset"
margin = 0
options = { variant = "phantom-tiny" }
budget = { steps = 1, batch_size = 1 }
"""
BROKEN_TASKS = {
    "duplicate keys": ('dataset = "brats"\ndataset = "brats"\n', "line 2"),
    "a syntax error": ('dataset = "brats"\nsize = \n', "line 2"),
    "an unknown key": (f"bugdet = 1{SOUND_TASK}", "did you mean 'budget'"),
    "a YAML tag": ("!!python/object/apply:os.system ['touch marker']\n", "line 1"),
    "a name that leads away": (f'name = "../../evil"{SOUND_TASK}', "cannot be a file name"),
    "bytes that are no text": (b"\xff\xfe\x00", "utf-8"),
}


@pytest.mark.parametrize("what", BROKEN_TASKS)
def test_a_broken_task_file_is_named_and_runs_nothing(say, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text, says = BROKEN_TASKS[what]
    (tmp_path / "task.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    code, said = say("run", "-m", "random", "--no-baselines", "--task", "TMP/task.toml", "--runs", "TMP/runs")
    assert (code, says in said) == (1, True), said
    assert "Traceback" not in said
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path.parent / "evil").exists()


DATA = {
    "no folder": lambda _: None,
    "an empty folder": lambda data: data.mkdir(),
    "a patient without a modality": lambda data: (write_patients(data) / "P3" / "P3_t2.nii.gz").unlink(),
    "a cut scan": lambda data: cut(write_patients(data) / "P3" / "P3_flair.nii.gz"),
    "a scan that is none": lambda data: (write_patients(data) / "P3" / "P3_flair.nii.gz").write_text("no"),
}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize("what", DATA)
def test_broken_data_is_named_with_exit_code_3_before_anything_runs(say, what: str, tmp_path: Path):
    DATA[what](tmp_path / "data")
    code, said = say(
        "run",
        "-m",
        "random",
        "--task",
        "brats",
        "--data",
        "TMP/data",
        "--runs",
        "TMP/runs",
        "--set",
        'task.modalities=["flair","t2"]',
    )
    assert code == 3, said
    assert "Traceback" not in said
    assert "P3" in said or "data" in said.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_failing_method_of_several_is_exit_code_2_and_the_others_are_in_the_table(
    tiny: TinyBench, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    plugin = tiny.write("broken", top="raise ValueError('at once')")
    code = _run(
        ["run", "-m", "broken", "--plugin", str(plugin.file), "--task", "phantom-tiny", "--runs", str(tmp_path)],
        debug=False,
    )
    shown = capsys.readouterr().out
    assert code == 2
    assert "FAILED(crash)" in shown
    assert all(name in shown for name in ("random", "intensity", "mean-distance"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30),
    key=st.sampled_from(["", "task.", "budget.", "task.size", "budget.steps", "task.slices", "task.name"]),
)
def test_whatever_is_set_the_answer_is_an_experiment_or_one_sentence(text: str, key: str):
    from uad_bench.config import compose, load_task
    from uad_bench.errors import UadBenchError

    try:
        experiment = compose("random", load_task("phantom-tiny"), [f"{key}={text}", text])
    except UadBenchError as error:
        assert str(error)  # noqa: PT017 - the other way to end is to return
    else:
        assert experiment.method == "random"
