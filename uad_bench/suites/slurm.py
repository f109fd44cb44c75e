"""Runs the cells that are left on a Slurm cluster, as one job array through submitit."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uad_bench.errors import ConfigError
from uad_bench.files import read_json, write_json
from uad_bench.suites.execution import command_of
from uad_bench.suites.states import Place

DEFAULTS: Mapping[str, Any] = {"timeout_min": 240, "cpus_per_task": 4, "slurm_array_parallelism": 64}
JOBS = "jobs.json"


@dataclass(slots=True)
class CellJob:
    """One cell as a Slurm job. When Slurm preempts it or its time is up, it is queued again and goes on from disk."""

    command: list[str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def __call__(self) -> int:
        """Run the cell; its exit code is for the log only, the run folder says what became of it."""
        self._process = subprocess.Popen(self.command)
        return self._process.wait()

    def checkpoint(self) -> Any:
        """What Slurm shall run instead: the same command, after the running one has stopped in good order."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        return DelayedSubmission(CellJob(self.command))


def submit(places: Sequence[Place], *, folder: Path, options: Mapping[str, Any]) -> list[str]:
    """Queue the cells as one array and return their job ids, which are kept in the folder.

    Raises:
        ConfigError: submitit or Slurm is missing, or refuses an option.
    """
    executor = _executor(folder, options)
    try:
        with executor.batch():
            jobs = [executor.submit(CellJob(command_of(place))) for place in places]
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"Slurm refused the jobs: {error}") from error
    known = submitted(folder) | {place.cell.name: str(job.job_id) for place, job in zip(places, jobs, strict=True)}
    write_json(folder / JOBS, known)
    return [str(job.job_id) for job in jobs]


def submitted(folder: Path) -> dict[str, str]:
    """Job id of each cell that was queued."""
    path = folder / JOBS
    return read_json(path) if path.exists() else {}


def cancel(folder: Path) -> int:
    """Ask Slurm to end all queued and running jobs of the suite; returns how many were named."""
    jobs = sorted(set(submitted(folder).values()))
    if jobs:
        subprocess.run(["scancel", *jobs], check=False)
    return len(jobs)


def _executor(folder: Path, options: Mapping[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ConfigError("--executor slurm needs submitit: pip install 'uad-bench[slurm]'") from error
    (folder / "slurm").mkdir(parents=True, exist_ok=True)
    executor = submitit.AutoExecutor(folder=folder / "slurm", cluster="slurm", slurm_python=sys.executable)
    try:
        executor.update_parameters(**{**DEFAULTS, **options})
    except (TypeError, ValueError, NameError) as error:
        raise ConfigError(f"[slurm] of the suite: {error}") from error
    return executor
