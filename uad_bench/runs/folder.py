"""The run folder: the only module that knows its file names.

runs/<task>/<method>/seed<k>-<digest8>/   (folds below it as fold<i>/)
    experiment.json events.jsonl checkpoint.safetensors maps/<subject>.npy MANIFEST.json
    metrics.csv sweep.csv record.json DONE
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError
from uad_bench.files import read_json, safe_name, storage_error, write_json, write_text
from uad_bench.runs.events import End, Event, parse_line
from uad_bench.runs.record import RunRecord, record_digest

WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Run:
    """One run on disk; reading its properties touches no file."""

    path: Path

    @property
    def name(self) -> str:
        """`task/method/seed0-1a2b3c4d`, with `/fold0` behind it for a fold."""
        return "/".join(self.path.parts[-4 if self.path.name.startswith("fold") else -3 :])

    @property
    def experiment(self) -> Path:
        """What was asked for; its digest names the folder."""
        return self.path / "experiment.json"

    @property
    def events(self) -> Path:
        """One JSON object a line: what happened and when."""
        return self.path / "events.jsonl"

    @property
    def checkpoint(self) -> Path:
        """What the method learned."""
        return self.path / "checkpoint.safetensors"

    @property
    def snapshots(self) -> Path:
        """Training state of an unfinished fit."""
        return self.path / "training"

    @property
    def initial(self) -> Path:
        """Another run's weights that the fit starts from; gone when the training is over, as all of `snapshots`."""
        return self.snapshots / "_initial.safetensors"

    @property
    def maps(self) -> Path:
        """Score maps, one file per subject."""
        return self.path / "maps"

    def map(self, subject: str) -> Path:
        """The subject's score map, (X, Y, Z) float32 in canonical orientation."""
        return self.maps / f"{safe_name(subject, 'subject')}.npy"

    @property
    def manifest(self) -> Path:
        """Digests and shapes of the maps and of the checkpoint; written after all of them."""
        return self.path / "MANIFEST.json"

    @property
    def metrics(self) -> Path:
        """Metrics per subject."""
        return self.path / "metrics.csv"

    @property
    def sweep(self) -> Path:
        """Precision, sensitivity, Dice and FPR at up to 1,000 thresholds."""
        return self.path / "sweep.csv"

    @property
    def replicates(self) -> Path:
        """Bootstrap replicates (R, K) float64 of the metrics that the record names."""
        return self.path / "replicates.npy"

    @property
    def record(self) -> Path:
        """The run's result; all a leaderboard needs."""
        return self.path / "record.json"

    @property
    def log(self) -> Path:
        """What the method printed (the first MiB of it)."""
        return self.path / "method.log"

    @property
    def done(self) -> Path:
        """Marks a complete run; written last."""
        return self.path / "DONE"

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return self.done.exists()

    @property
    def failed(self) -> bool:
        """Whether the last attempt ended with the method's failure."""
        try:
            return bool(read_json(self.record)["status"] == "failed")  # asked often, so the rest is not validated
        except (ConfigError, KeyError, TypeError):
            return False

    @property
    def held(self) -> bool:
        """Whether a living process works on this run."""
        try:
            with (self.path / ".lock").open("r+") as file:
                return _try_lock(file) is not None
        except OSError:
            return False

    @property
    def folds(self) -> tuple["Run", ...]:
        """The runs of the folds, if any."""
        return tuple(Run(path) for path in sorted(self.path.glob("fold[0-9]*")) if path.is_dir())

    def create(self) -> "Run":
        """Make the folder."""
        try:
            self.maps.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.path, error) from error
        return self

    def append(self, event: Event) -> None:
        """Append one line to the event log and bring it to disk; what a crash left of a line is closed first."""
        line = json.dumps({"time": now(), **event.to_json()}, allow_nan=False)
        try:
            with self.events.open("a+b") as file:
                cut = file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
                file.write(b"\n" * bool(cut) + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self.events, error) from error

    def read_events(self) -> list[Event]:
        """All events; a line that a crash cut is left out."""
        try:
            lines = self.events.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [event for line in lines if (event := parse_line(line))]

    def seal(self, record: RunRecord) -> RunRecord:
        """The record with digests of the tables beside it and, last, of itself: any later change shows."""
        tables = (self.metrics, self.sweep, self.replicates)
        files = {path.name: digest_file(path) for path in tables if path.exists() and record.metrics}
        record = record.model_copy(update={"files": files})
        return record.model_copy(update={"digest": record_digest(record.to_json())})

    def finish(self, record: RunRecord) -> None:
        """Log how it ended and write the record; last of all the marker, unless the method failed."""
        self.append(End(status=record.status))
        write_json(self.record, record.to_json())
        if record.status == "ok":
            write_text(self.done, f"{record.created}\n")

    def read_record(self) -> RunRecord:
        """The stored record.

        Raises:
            ConfigError: it is missing or is no record.
        """
        return RunRecord.parse(read_json(self.record), f"{self.record}: not a run record")

    @contextmanager
    def lock(self, *, waiting: Callable[[str], None] | None = None) -> Iterator[str]:
        """Hold the run against other processes; the kernel releases it when the holder dies.

        Args:
            waiting: called again and again with the holder's pid while another process works on this run.

        Yields:
            the pid of a holder that died at work, else nothing.

        Raises:
            ConfigError: another process works on this run and nobody wants to wait, or the folder cannot be written.
        """
        self.create()
        try:
            file = (self.path / ".lock").open("a+")
        except OSError as error:
            raise storage_error(self.path, error) from error
        with file:
            while (holder := _try_lock(file)) is not None:
                if waiting is None:
                    raise ConfigError(f"{self.path}: process {holder} is working on this run; wait for it or stop it")
                waiting(holder)
                time.sleep(WAIT_S)
            dead = _sign(file, str(os.getpid()))
            self._sweep()
            try:
                yield dead
            finally:
                _sign(file, "")

    def _sweep(self) -> None:
        """Remove temporary files of processes that died; nobody else writes here while the run is locked."""
        for left in (*self.path.glob(".*.part"), *self.maps.glob(".*.part"), *self.snapshots.glob(".*.part")):
            left.unlink(missing_ok=True)


def run_at(root: Path, task: str, method: str, seed: int, digest: str) -> Run:
    """The run folder of this identity below the runs folder."""
    return Run(root / safe_name(task, "task") / safe_name(method, "method") / f"seed{seed}-{digest[:8]}")


def find_runs(root: Path, task: str | None = None) -> list[Run]:
    """All finished and failed runs below the runs folder (folds belong to their run), sorted by path.

    Raises:
        ConfigError: the place is a file.
    """
    if root.is_file():
        raise ConfigError(f"--runs {root}: this is a file, not a folder of runs")
    pattern = f"{safe_name(task, 'task') if task else '*'}/*/seed*/record.json"
    return [run for run in (Run(path.parent) for path in sorted(root.glob(pattern))) if run.finished or run.failed]


def open_run(root: Path, name: str) -> Run:
    """The run that a user named: a path to its folder, `task/method/seed0-1a2b3c4d`, or any unique part of that."""
    for path in (Path(name), root / name):
        if (path / "record.json").is_file():
            return Run(path)
    found = [run for run in find_runs(root) if name in str(run.path.relative_to(root))]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(run.path.relative_to(root)) for run in found[:5])
    raise ConfigError(
        f"no single run {name!r} in {root}: {'it could be ' + listed if found else 'none matches'}; "
        "see uad-bench list runs"
    )


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _try_lock(file: IO[str]) -> str | None:
    """None once the lock is held, else the holder's pid."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        return file.read().strip() or "?"
    except OSError as error:  # some network file systems
        raise ConfigError(
            f"{file.name}: this file system cannot lock files ({error.strerror}), so two commands could write the same "
            "run; choose a folder on another one with --runs"
        ) from error
    return None


def _sign(file: IO[str], pid: str) -> str:
    """Replace what the lock file says, and return what it said."""
    file.seek(0)
    before = file.read().strip()
    file.truncate(0)
    file.write(pid)
    file.flush()
    return before
