"""Runs the cells that are left on a Slurm cluster, as one job array through submitit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uad_bench.errors import ConfigError
from uad_bench.files import read_json, write_json
from uad_bench.suites.states import Place

DEFAULTS: Mapping[str, Any] = {"timeout_min": 240, "cpus_per_task": 4, "slurm_array_parallelism": 64}
TIME_OUTS = 50
"""How often a cell may use up its time and be queued again, unless the suite says `slurm_max_num_timeout`."""
JOBS, LOGS = "jobs.json", "slurm"
PATIENCE_S, POLL_S = 30.0, 0.2
GRACE_S = 900.0
"""Longest time that a cluster may take from asking a job to end until it ends it."""
TERMINATED = frozenset({-signal.SIGTERM, 128 + signal.SIGTERM})
SQUEUE_PATIENCE_S = 30


@dataclass(slots=True)
class CellJob:
    """One cell as a Slurm job. When Slurm preempts it or its time is up, it is queued again and goes on from disk."""

    command: list[str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def __call__(self) -> int:
        """Run the cell; its exit code is for the log only, the run folder says what became of it."""
        self._process = subprocess.Popen(self.command, preexec_fn=_ignore_warning)  # noqa: PLW1509 - no thread is here
        while self._process.poll() is None:  # `wait` would hold a lock that `checkpoint` needs
            time.sleep(POLL_S)
        if self._process.returncode in TERMINATED:  # by Slurm, which does not queue a job again that ends by itself
            time.sleep(GRACE_S)
        return self._process.returncode

    def checkpoint(self) -> Any:
        """What Slurm shall run instead: the same command, after the running one has stopped in good order."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE_S
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        return DelayedSubmission(CellJob(self.command))


def submit(places: Sequence[Place], *, folder: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """Queue the cells as one array and return each one's job id, which the folder keeps.

    Args:
        places: cells that are neither done nor queued.
        folder: of the suite; job ids, scripts and logs go there.
        options: submitit's names: `timeout_min`, `slurm_partition`, `slurm_account`, `slurm_constraint`, ...

    Raises:
        ConfigError: submitit or Slurm is missing, or refuses an option.
    """
    executor = _executor(folder, options)
    try:
        with executor.batch():
            jobs = [executor.submit(CellJob(place.cell.command())) for place in places]
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"Slurm refused the jobs: {error}") from error
    ids = {place.cell.name: str(job.job_id) for place, job in zip(places, jobs, strict=True)}
    write_json(folder / JOBS, submitted(folder) | ids)
    return ids


def submitted(folder: Path) -> dict[str, str]:
    """Last job id of each cell that was ever queued."""
    path = folder / JOBS
    return dict(read_json(path)) if path.exists() else {}


def queued(folder: Path) -> frozenset[str]:
    """Names of the cells whose job Slurm still knows as waiting or running; none where Slurm does not answer."""
    ids = submitted(folder)
    if not ids:
        return frozenset()
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"],
            capture_output=True, text=True, timeout=SQUEUE_PATIENCE_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    alive = set(done.stdout.split())
    return frozenset(name for name, job in ids.items() if job in alive)


def logs_of(folder: Path, job: str) -> Path:
    """What a job printed."""
    return folder / LOGS / f"{job}_0_log.out"


def cancel(folder: Path) -> int:
    """Ask Slurm to end all queued and running jobs of the suite; returns how many."""
    ids = submitted(folder)
    jobs = sorted(ids[name] for name in queued(folder))
    if jobs:
        subprocess.run(["scancel", *jobs], check=False)
    return len(jobs)


def _executor(folder: Path, options: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ConfigError("--executor slurm needs submitit: pip install 'uad-bench[slurm]'") from error
    asked = {**DEFAULTS, **options}
    time_outs = asked.pop("slurm_max_num_timeout", TIME_OUTS)
    try:
        executor = submitit.AutoExecutor(
            folder=folder.resolve() / LOGS,
            cluster="slurm",
            slurm_python=sys.executable,
            slurm_max_num_timeout=time_outs,
        )
        executor.update_parameters(**asked)
    except RuntimeError as error:
        raise ConfigError(f"--executor slurm: {error}; is this a machine that can submit jobs?") from error
    except (TypeError, ValueError, NameError) as error:
        raise ConfigError(f"[slurm] of the suite: {error}") from error
    return executor


def _ignore_warning() -> None:
    """Slurm sends its warning to all processes of a job; only submitit's shall act on it."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
