"""Cells run a few at a time, get their part of the machine, and are stopped in good order."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from uad_bench.runs.folder import Run
from uad_bench.suites import control
from uad_bench.suites.control import LocalExecutor, last_line, local_log, share_of
from uad_bench.suites.states import Place


@dataclass(frozen=True)
class Script:
    """Stands in for a cell: a few lines of Python."""

    name: str
    code: str

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code]


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch):
    monkeypatch.setattr(control, "POLL_S", 0.02)


def places(code: str, count: int) -> list[Place]:
    return [Place(Script(f"c{i}", code), Run(Path("nowhere"))) for i in range(count)]


def test_all_cells_run_never_more_at_once_than_allowed(tmp_path):
    running = []
    executor = LocalExecutor(2, tmp_path, lambda: running.append(len(executor._running)))
    scripts = places("import time; time.sleep(0.1); print('ended')", 5)
    executor.run(scripts)
    assert max(running) == 2
    assert [last_line(local_log(tmp_path, place)) for place in scripts] == ["ended"] * 5


def test_a_cell_that_fails_stops_no_other(tmp_path):
    scripts = [*places("raise SystemExit(7)", 1), Place(Script("last", "print('ended')"), Run(Path("nowhere")))]
    LocalExecutor(1, tmp_path, lambda: None).run(scripts)
    assert last_line(local_log(tmp_path, scripts[1])) == "ended"


def test_a_stop_reaches_every_running_cell_and_starts_no_other(tmp_path):
    code = "signal.signal(15, lambda *_: exit(print('asked'))); print('on', flush=True); time.sleep(60)"
    scripts = places(f"import signal, time; {code}", 3)

    def interrupt():
        if all(last_line(local_log(tmp_path, place)) == "on" for place in scripts[:2]):
            raise KeyboardInterrupt

    calls = iter([interrupt] * 1000)
    executor = LocalExecutor(2, tmp_path, lambda: next(calls)())
    with pytest.raises(KeyboardInterrupt):
        executor.run(scripts)
    assert [last_line(local_log(tmp_path, place)) for place in scripts] == ["asked", "asked", ""]
    assert all(process.poll() == 0 for process in executor._running.values())


def test_a_cell_that_does_not_listen_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "GRACE_S", 0.2)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    (deaf,) = places(code, 1)

    def interrupt():
        if last_line(local_log(tmp_path, deaf)) == "on":
            raise KeyboardInterrupt

    executor = LocalExecutor(1, tmp_path, interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.run([deaf])
    assert [process.poll() for process in executor._running.values()] == [-9]


def test_cells_share_cores_and_take_turns_on_gpus(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert [share_of(seat, 3, gpus=2) for seat in range(3)] == [
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": str(gpu)} for gpu in (0, 1, 0)
    ]
    assert share_of(0, 1, gpus=1) == {"OMP_NUM_THREADS": "8"}
    assert share_of(0, 99, gpus=0) == {"OMP_NUM_THREADS": "1"}


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert share_of(1, 2, gpus=4) == {}


def test_the_last_line_of_a_log_is_short_and_never_blank(tmp_path):
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("first\n" + "x" * 5000 + "\nforward 3/9\n\n")
    assert last_line(log) == "forward 3/9"
