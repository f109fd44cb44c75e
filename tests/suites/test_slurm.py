"""The Slurm executor as far as it shows without a cluster; tests/slurm has one."""

import stat
import sys
import threading
import time

import pytest

from uad_bench.errors import ConfigError
from uad_bench.files import write_json
from uad_bench.suites import slurm
from uad_bench.suites.slurm import JOBS, CellJob, cancel, logs_of, queued, submit, submitted

IDS = {"a": "12_0", "b": "12_1", "c": "9"}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A PATH on which one may put Slurm's commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(name: str, script: str) -> None:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IEXEC)

    return write


def test_only_jobs_that_slurm_still_knows_are_queued(tmp_path, commands):
    commands("squeue", "echo 12_1; echo 77_0")
    write_json(tmp_path / JOBS, IDS)
    assert queued(tmp_path) == {"b"}


def test_nothing_is_queued_where_slurm_does_not_answer(tmp_path, commands):
    commands("squeue", "exit 1")
    write_json(tmp_path / JOBS, IDS)
    assert queued(tmp_path) == frozenset()


def test_a_suite_that_was_never_submitted_asks_nobody(tmp_path, commands):
    commands("squeue", f"touch {tmp_path}/asked")
    assert queued(tmp_path) == frozenset()
    assert not (tmp_path / "asked").exists()


def test_cancelling_names_the_queued_jobs_alone(tmp_path, commands):
    commands("squeue", "echo 12_0; echo 12_1")
    commands("scancel", f'echo "$@" > {tmp_path}/cancelled')
    write_json(tmp_path / JOBS, IDS)
    assert cancel(tmp_path) == 2
    assert (tmp_path / "cancelled").read_text().split() == ["12_0", "12_1"]


def test_a_machine_without_slurm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="slurm"):
        submit([], folder=tmp_path, options={})


def test_an_option_that_does_not_exist_is_refused(tmp_path, commands):
    commands("srun", "")
    with pytest.raises(ConfigError, match="slurm_partitoin"):
        submit([], folder=tmp_path, options={"slurm_partitoin": "gpu"})


def test_logs_are_found_by_job(tmp_path):
    write_json(tmp_path / JOBS, IDS)
    assert logs_of(tmp_path, submitted(tmp_path)["b"]) == tmp_path / "slurm" / "12_1_0_log.out"


def test_a_warned_job_stops_its_cell_in_good_order_and_asks_for_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "GRACE_S", 0.0)
    ready, asked = tmp_path / "ready", tmp_path / "asked"
    # `exit` would be an exception, which is lost where the signal arrives while a file is being closed.
    leave = f"lambda *_: (open({str(asked)!r}, 'w').close(), os._exit(143))"
    note = f"signal.signal(15, {leave}); open({str(ready)!r}, 'w')"
    job = CellJob([sys.executable, "-c", f"import os, signal, time; {note}; time.sleep(60)"])
    again = []

    def warn() -> None:
        while not ready.exists():
            time.sleep(0.02)
        again.append(job.checkpoint())

    warner = threading.Thread(target=warn)
    warner.start()
    assert job() == 143
    warner.join()
    assert asked.exists()
    assert again[0].function.command == job.command


def test_slurms_warning_does_not_end_the_cell_itself(tmp_path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGUSR2); print('alive')"
    assert CellJob([sys.executable, "-c", code])() == 0


def test_a_cell_that_slurm_ended_waits_to_be_queued_again(monkeypatch):
    waited = []
    monkeypatch.setattr(slurm, "GRACE_S", 321.0)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda s: waited.append(s) if s == 321.0 else sleep(s))
    CellJob([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])()
    CellJob([sys.executable, "-c", "raise SystemExit(2)"])()
    assert waited == [321.0]
