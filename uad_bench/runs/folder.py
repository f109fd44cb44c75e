"""The run folder and its files.

runs/<task>/<method>/seed<k>-<digest8>/   (folds in subfolders fold<i>/)
    experiment.json events.jsonl checkpoint.safetensors maps/<subject>.safetensors MANIFEST.json
    metrics.csv sweep.csv froc.csv lesions.csv false_positives.csv record.json local.json DONE
    on request: rescored/ reconstructions/<subject>.safetensors reconstructions.json events.out.tfevents.*
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
MAP, PLAIN_MAP = ".safetensors", ".npy"


class _File:
    """A file or folder of a run."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: "Run", _: object) -> Path:
        return run.path / self.name


@dataclass(frozen=True, slots=True)
class Run:
    """One run on disk. Its path properties do not access files."""

    path: Path

    experiment = _File("experiment.json")  # the requested experiment; its digest is part of the folder name
    events = _File("events.jsonl")  # event log, one JSON object per line
    checkpoint = _File("checkpoint.safetensors")  # weights of the trained method
    snapshots = _File("training")  # training state of an unfinished fit
    initial = _File("training/_initial.safetensors")  # weights from another run; deleted after training
    maps = _File("maps")  # score maps, one file per subject
    reconstructions = _File("reconstructions")  # pseudo-healthy images, one file per test subject
    manifest = _File("MANIFEST.json")  # digests and shapes of the maps, and digest of the checkpoint
    metrics = _File("metrics.csv")  # metrics per subject
    sweep = _File("sweep.csv")  # precision, sensitivity, Dice and FPR at up to 1,000 thresholds
    froc = _File("froc.csv")
    lesions = _File("lesions.csv")
    false_positives = _File("false_positives.csv")
    replicates = _File("replicates.npy")  # jackknife replicates (n, K) float64 of the metrics listed in the record
    record = _File("record.json")  # the result of the run, sufficient for a leaderboard
    log = _File("method.log")  # output printed by the method, up to 1 MiB
    local = _File("local.json")  # facts that hold on this machine only: the data folder
    done = _File("DONE")  # marker of a complete run; written last

    @property
    def name(self) -> str:
        """`task/method/seed0-1a2b3c4d`, followed by `/fold0` for a fold."""
        return "/".join(self.path.parts[-4 if self.path.name.startswith("fold") else -3 :])

    def map(self, subject: str) -> Path:
        """The subject's score map, (X, Y, Z) float32 in canonical orientation."""
        return _map(self.maps, subject)

    def reconstruction(self, subject: str) -> Path:
        """The subject's pseudo-healthy image, (X, Y, Z) float32 in canonical orientation and the task's scale."""
        return _map(self.reconstructions, subject)

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return self.done.exists()

    @property
    def failed(self) -> bool:
        """Whether the method failed in the last attempt."""
        try:
            return bool(read_json(self.record)["status"] == "failed")  # called often, so the rest is not validated
        except (ConfigError, KeyError, TypeError):
            return False

    @property
    def held(self) -> bool:
        """Whether a running process holds the lock of this run."""
        try:
            with (self.path / ".lock").open("r+") as file:
                return _try_lock(file) is not None
        except OSError:
            return False

    @property
    def folds(self) -> tuple["Run", ...]:
        """The runs of the folds, if any, by number."""
        paths = sorted(self.path.glob("fold[0-9]*"), key=lambda path: (len(path.name), path.name))
        return tuple(Run(path) for path in paths if path.is_dir())

    def create(self) -> "Run":
        """Make the folder."""
        try:
            self.maps.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.path, error) from error
        return self

    def append(self, event: Event) -> None:
        """Append one line to the event log and flush it to disk; a line truncated by a crash is terminated first."""
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
        """All events; lines truncated by a crash are skipped."""
        try:
            lines = self.events.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [event for line in lines if (event := parse_line(line))]

    def seal(self, record: RunRecord) -> RunRecord:
        """Add digests of the tables and of the record itself, so that later changes are detected."""
        tables = (self.metrics, self.sweep, self.froc, self.lesions, self.false_positives, self.replicates)
        files = {path.name: digest_file(path) for path in tables if path.exists() and record.metrics}
        record = record.model_copy(update={"files": files})
        return record.model_copy(update={"digest": record_digest(record.to_json())})

    def finish(self, record: RunRecord) -> None:
        """Log the end and write the record, then the marker if the status is `ok`."""
        self.append(End(status=record.status))
        write_json(self.record, record.to_json())
        if record.status == "ok":
            write_text(self.done, f"{record.created}\n")

    def read_record(self) -> RunRecord:
        """The stored record.

        Raises:
            ConfigError: it is missing or is not a run record.
        """
        return RunRecord.parse(read_json(self.record), f"{self.record}: not a run record")

    @contextmanager
    def lock(self, *, waiting: Callable[[str], None] | None = None) -> Iterator[str]:
        """Lock the run against other processes; the kernel releases the lock when the process ends.

        Args:
            waiting: called repeatedly with the pid of the process that holds the lock; None raises instead.

        Yields:
            the pid of the previous process if it died while holding the lock, otherwise an empty string.

        Raises:
            ConfigError: another process holds the lock and `waiting` is None, or the folder cannot be written.
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
        """Remove temporary files of dead processes; no other process writes here while the run is locked."""
        for left in (
            *self.path.glob(".*.part"),
            *self.maps.glob(".*.part"),
            *self.snapshots.glob(".*.part"),
            *self.reconstructions.glob(".*.part"),
        ):
            left.unlink(missing_ok=True)


def _map(folder: Path, subject: str) -> Path:
    """The subject's file; a plain array where an earlier version stored one."""
    path = folder / f"{safe_name(subject, 'subject')}{MAP}"
    plain = path.with_suffix(PLAIN_MAP)
    return plain if plain.exists() and not path.exists() else path


def run_at(root: Path, task: str, method: str, seed: int, digest: str) -> Run:
    """The run folder for this identity in the runs folder."""
    return Run(root / safe_name(task, "task") / safe_name(method, "method") / f"seed{seed}-{digest[:8]}")


def runs_folder(given: str | Path | None = None) -> Path:
    """The folder of runs: the given one, else that of the environment variable UAD_BENCH_RUNS, else `runs`."""
    return Path(given or os.environ.get("UAD_BENCH_RUNS") or "runs")


def find_runs(root: Path, task: str | None = None) -> list[Run]:
    """All finished and failed runs in the runs folder, sorted by path; folds are part of their run.

    Raises:
        ConfigError: `root` is a file.
    """
    if root.is_file():
        raise ConfigError(f"--runs {root}: this is a file, not a folder of runs")
    pattern = f"{safe_name(task, 'task') if task else '*'}/*/seed*/record.json"
    return [run for run in (Run(path.parent) for path in sorted(root.glob(pattern))) if run.finished or run.failed]


def now() -> str:
    """The current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _try_lock(file: IO[str]) -> str | None:
    """Acquire the lock and return None, or return the pid of the process that holds it."""
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
    """Replace the pid in the lock file, and return the previous content."""
    file.seek(0)
    before = file.read().strip()
    file.truncate(0)
    file.write(pid)
    file.flush()
    return before
