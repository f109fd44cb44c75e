"""Runs cells on a Slurm cluster, as one job array submitted through submitit."""

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
"""How often a cell that exceeds its time limit is queued again, unless the suite sets `slurm_max_num_timeout`."""
JOBS, LOGS = "jobs.json", "slurm"
PATIENCE_S, POLL_S = 30.0, 0.2
GRACE_S = 900.0
"""Longest time between a cluster's request that a job end and its kill."""
TERMINATED = frozenset({-signal.SIGTERM, 128 + signal.SIGTERM})
SQUEUE_PATIENCE_S = 30


@dataclass(slots=True)
class CellJob:
    """A cell as a Slurm job. If it is preempted or exceeds its time limit, it is queued again and resumes from disk."""

    command: list[str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def __call__(self) -> int:
        """Run the cell; its exit code is only logged, since the state of a cell comes from its run folder."""
        self._process = subprocess.Popen(self.command, preexec_fn=_ignore_warning)  # noqa: PLW1509 - no thread is here
        while self._process.poll() is None:  # `wait` would hold a lock that `checkpoint` needs
            time.sleep(POLL_S)
        if self._process.returncode in TERMINATED:  # by Slurm, which requeues only jobs that it ends itself
            time.sleep(GRACE_S)
        return self._process.returncode

    def checkpoint(self) -> Any:
        """Stop the process cleanly; returns the job to queue instead, which runs the same command."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE_S
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        return DelayedSubmission(CellJob(self.command))


def submit(places: Sequence[Place], *, folder: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """Queue the cells as one job array; returns their job ids, which are also stored in the suite's folder.

    Args:
        folder: of the suite; contains job ids, scripts and logs.
        options: with submitit's names: `timeout_min`, `slurm_partition`, `slurm_account`, `slurm_constraint`, ...

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


def several_machines(nodes: int) -> dict[str, int]:
    """Options for jobs with one task per machine."""
    return {"nodes": nodes, "tasks_per_node": 1} if nodes > 1 else {}


def submit_run(arguments: Sequence[str], *, folder: Path, nodes: int, gpus: int) -> str:
    """Queue one `uad-bench run` on several machines, with one task each; returns the job's id.

    Raises:
        ConfigError: submitit or Slurm is missing, or Slurm refuses the job; `sbatch` reads SBATCH_PARTITION and others.
    """
    executor = _executor(folder, {**several_machines(nodes), "slurm_gpus_per_node": gpus})
    try:
        return str(executor.submit(CellJob([sys.executable, "-m", "uad_bench", *arguments])).job_id)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"Slurm refused the job: {error}") from error


def submitted(folder: Path) -> dict[str, str]:
    """Latest job id of each cell that was ever queued."""
    path = folder / JOBS
    return dict(read_json(path)) if path.exists() else {}


def queued(folder: Path) -> frozenset[str]:
    """Names of the cells whose jobs are pending or running; empty if Slurm does not respond."""
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
    """Log file of a job."""
    return folder / LOGS / f"{job}_0_log.out"


def cancel(folder: Path) -> int:
    """Cancel all pending and running Slurm jobs of the suite; returns their number."""
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
    """Ignore Slurm's warning signal, which reaches all processes of a job; only submitit must act on it."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
