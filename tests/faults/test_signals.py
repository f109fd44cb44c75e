"""Ctrl-C and SIGTERM in every stage: the command ends with 128 + n and says how to go on, and going on works."""

import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import typer

from tests.conftest import start_no_process
from tests.tiny_bench import TASK, TRAINED, TinyBench, living, result_files
from uad_bench.cli.app import app, main
from uad_bench.execution.processes import GRACE_S
from uad_bench.runs.folder import Run

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
PAUSE = """
import pathlib, time
marker = pathlib.Path({marker!r})
while marker.with_suffix(".pause").exists():
    marker.touch()
    time.sleep(0.02)
"""


@pytest.fixture
def command(tiny: TinyBench, tiny_data: Path, tmp_path: Path) -> list[str]:
    """The command line, but for the method."""
    (tmp_path / "tiny.toml").write_text(TASK)
    task = ["--task", str(tmp_path / "tiny.toml"), "--data", str(tiny_data), "--runs", str(tmp_path / "runs")]
    return ["uad-bench", "run", "--no-baselines", *task]


@pytest.fixture(scope="module", autouse=True)
def warm(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import once what every forked command would import for itself."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "tiny.toml").write_text(TASK)
    task = ["--task", str(folder / "tiny.toml"), "--data", str(tiny_data), "--runs", str(folder / "runs")]
    with pytest.MonkeyPatch.context() as patch:
        start_no_process(patch)
        typer.main.get_command(app).main(["run", "--method", "random", "--no-baselines", *task], standalone_mode=False)


def start(arguments: list[str], said: Path, prepare: Callable[[], object] = lambda: None) -> int:
    """The pid of a child that runs the command line and writes what it says into a file."""
    if pid := os.fork():
        return pid
    try:
        sys.argv = arguments
        sys.stdout = sys.stderr = said.open("w", buffering=1)
        prepare()
        main()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def in_this_process() -> None:
    """The method runs in the process of the harness, which changes no result."""
    start_no_process(pytest.MonkeyPatch())


def wait_for(marker: Path) -> None:
    while not marker.exists():
        time.sleep(0.01)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_grace_of_a_stop_leaves_room_within_ten_seconds():
    assert GRACE_S <= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "stage"), [(signal.SIGINT, "fit"), (signal.SIGTERM, "score")], ids=["ctrl-c in fit", "term in score"]
)
def test_stopped_in_the_methods_process_it_leaves_no_process_and_resumes_to_the_same_bytes(
    tiny: TinyBench, command: list[str], tmp_path: Path, number: signal.Signals, stage: str
):
    marker, said = tmp_path / "reached", tmp_path / "said"
    pause = PAUSE.format(marker=str(marker))
    parts = {
        **TRAINED,
        "top": TRAINED["top"] + "\nimport signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)",
    }
    parts[stage] = pause + dedent(TRAINED[stage])
    arguments = [*command, "--method", "pausing", "--plugin", str(tiny.write("pausing", **parts).file)]
    marker.with_suffix(".pause").touch()
    pid = start(arguments, said)
    wait_for(marker)
    os.kill(pid, number)
    assert exit_code(pid) == 128 + number
    assert said.read_text().splitlines()[-1] == (
        "uad-bench: stopped; finished work is kept: run the same command again to resume"
    )
    assert not living("pausing")
    marker.with_suffix(".pause").unlink()
    assert exit_code(start(arguments, said)) == 0
    (resumed,) = (tmp_path / "runs" / "tiny" / "pausing").iterdir()
    undisturbed = tmp_path / "undisturbed"
    assert exit_code(start([*arguments, "--runs", str(undisturbed)], said, in_this_process)) == 0
    assert result_files(Run(resumed)) == result_files(Run(undisturbed / "tiny" / "pausing" / resumed.name))


def test_a_harness_that_is_killed_takes_a_method_with_it_that_holds_the_interpreter_and_the_run_is_free(
    tiny: TinyBench, command: list[str], tmp_path: Path
):
    marker = tmp_path / "reached"
    hang = f"import ctypes, pathlib\npathlib.Path({str(marker)!r}).touch()\nctypes.PyDLL(None).sleep(600)"
    plugin = tiny.write("holding", fit=hang).file
    pid = start([*command, "--method", "holding", "--plugin", str(plugin)], tmp_path / "said")
    wait_for(marker)
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    while living("holding"):
        time.sleep(0.01)
    (run,) = (tmp_path / "runs" / "tiny" / "holding").iterdir()
    with Run(run).lock() as dead:
        assert dead == str(pid)


STAGES = {
    "reading the data": "uad_bench.data.cohort.take_census",
    "preparing slices": "uad_bench.data.store.SliceStore.prepare",
    "judging": "uad_bench.benchmark.runner.judge",
    "writing the record": "uad_bench.benchmark.runner.make_record",
}


@pytest.mark.parametrize(("stage", "number"), list(zip(STAGES, 2 * [signal.SIGINT, signal.SIGTERM], strict=True)))
def test_stopped_in_the_harness_it_says_how_to_go_on(
    quick: TinyBench, command: list[str], tmp_path: Path, number: signal.Signals, stage: str
):
    marker, said = tmp_path / "reached", tmp_path / "said"
    arguments = [*command, "--method", "plain", "--plugin", str(quick.write("plain").file)]

    def hang_there() -> None:
        owner, _, name = STAGES[stage].rpartition(".")
        setattr(pkgutil.resolve_name(owner), name, lambda *_, **__: (marker.touch(), time.sleep(600)))

    pid = start(arguments, said, hang_there)
    wait_for(marker)
    os.kill(pid, number)
    assert exit_code(pid) == 128 + number
    assert "run the same command again to resume" in said.read_text()
    assert exit_code(start(arguments, said)) == 0
