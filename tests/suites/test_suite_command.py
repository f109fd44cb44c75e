"""`uad-bench suite` from the outside: three methods of one file, one of which fails until a file appears."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suites.conftest import SuiteFiles
from tests.tiny_bench import write_patients
from uad_bench.cli.app import _run

pytestmark = pytest.mark.slow
METHODS = """
import dataclasses, pathlib, time
from uad_bench.method import Modalities

@dataclasses.dataclass
class Good:
    @property
    def modalities(self):
        return Modalities(fit=("flair",), score=("flair",))

    def fit(self, train, *, budget, compute):
        return self

    def score(self, batch):
        return batch.image[:, 0]

    def state_dict(self):
        return {{}}

    def load_state_dict(self, state, *, compute):
        return self

class Bad(Good):
    def score(self, batch):
        if not pathlib.Path("{marker}").exists():
            raise RuntimeError("planned failure")
        return batch.image[:, 0]

class Slow(Good):
    def fit(self, train, *, budget, compute):
        while not pathlib.Path("{marker}").exists():
            time.sleep(0.05)
        return self

METHODS = {{"good": Good, "bad": Bad, "slow": Slow}}
"""


class Here:
    """A folder with data, methods and suites, in which the command is run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.marker, self.runs = folder, folder / "marker", folder / "runs"
        self.data = write_patients(folder / "cohort")
        self.plugin = folder / "plugin.py"
        self.plugin.write_text(METHODS.format(marker=self.marker))

    def suite(self, *methods: str) -> Path:
        return SuiteFiles(self.folder).write(*methods)

    def command(self, verb: str, suite: Path, *options: str) -> list[str]:
        where = ["--runs", str(self.runs)]
        with_data = ["--data", str(self.data), "--plugin", str(self.plugin)] if verb != "cancel" else []
        return [sys.executable, "-m", "uad_bench", "suite", verb, str(suite), *where, *with_data, *options]

    def __call__(self, verb: str, suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(verb, suite, *options), capture_output=True, text=True, check=False)

    def states(self, suite: Path) -> dict[str, str]:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            _run(self.command("status", suite, "--json")[3:], debug=False)
        document = json.loads(said.getvalue())
        return {cell["cell"].split("-")[1]: cell["state"] for cell in document["cells"]}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    return Here(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def first(here: Here) -> subprocess.CompletedProcess[str]:
    """What a dry run and then a run said, of one cell that is good and one that is bad."""
    suite = here.suite("bad", "good")
    dry = here("run", suite, "--dry-run")
    assert (dry.returncode, here.runs.exists()) == (0, False)
    assert "2 of 2 runs would start" in dry.stderr
    return here("run", suite, "--jobs", "2")


def test_a_failing_cell_stops_no_other_and_is_told_by_the_exit_code(here, first):
    assert first.returncode == 2, first.stderr
    assert here.states(here.suite("bad", "good")) == {"bad": "failed", "good": "done"}
    assert "FAILED(crash): score raised RuntimeError: planned failure" in first.stdout
    assert "Next: uad-bench leaderboard show --task " in first.stderr


def test_finished_cells_are_never_redone_and_failed_ones_on_request(here, first):
    suite = here.suite("bad", "good")
    records = {name: next(here.runs.glob(f"small/{name}/*/record.json")) for name in ("good", "bad")}
    before = {name: path.stat().st_mtime_ns for name, path in records.items()}
    assert here("run", suite).returncode == 2
    assert {name: path.stat().st_mtime_ns for name, path in records.items()} == before
    here.marker.touch()
    assert here("run", suite, "--retry-failed").returncode == 0
    assert records["good"].stat().st_mtime_ns == before["good"]
    assert here.states(suite) == {"bad": "done", "good": "done"}
    here.marker.unlink()


@pytest.mark.parametrize("how", ["interrupt", "cancel"])
def test_a_stopped_suite_leaves_no_process_and_goes_on_when_run_again(here, first, how):
    suite = here.suite("slow", "good")
    with subprocess.Popen(here.command("run", suite), stderr=subprocess.PIPE, text=True) as process:
        wait_for(process.stderr, "slow")
        if how == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            assert "stopped the local run" in here("cancel", suite).stdout
        assert process.wait() == 128 + (signal.SIGINT if how == "interrupt" else signal.SIGTERM)
    assert not list(processes_of(here.plugin))
    states = here.states(suite)
    assert states.pop("slow") in {"stopped", "waiting"}  # waiting if it had been announced, but not started
    assert states == {"good": "done"}
    if how == "cancel":
        here.marker.touch()
        assert here("run", suite).returncode == 0
        assert here.states(suite) == {"slow": "done", "good": "done"}


def wait_for(lines, word: str) -> None:
    """Read until the cell is said to run."""
    assert any(word in line and "running" in line for line in lines)


def processes_of(file: Path) -> Iterator[int]:
    """Living processes whose command line names this file."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(file).encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                yield int(entry.parent.name)
        except OSError:
            continue
