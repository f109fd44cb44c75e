"""Runs a method in a process group of its own, with limits, and turns whatever happens to it into events."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from select import select
from typing import Any, Self

from uad_bench.errors import MethodError, UadBenchError
from uad_bench.registry import Entry
from uad_bench.stages import Assignment

LOG_LIMIT = 1 << 20
GRACE_S = 5.0
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What a method may use: wall seconds in all, and resident memory of its process group in MiB."""

    seconds: float | None = None
    memory_mib: float | None = None


@dataclass(slots=True)
class WorkerProcess:
    """A method's process; use as a context manager, which ends the whole group on exit.

    Raises:
        MethodError: from `describe` and `work`, when the method fails in any way.
    """

    entry: Entry
    log: Path | None = None
    limits: Limits = Limits()
    _process: subprocess.Popen[bytes] = field(init=False, repr=False)
    _events: int = field(init=False, repr=False)
    _started: float = field(init=False, repr=False)

    def __enter__(self) -> Self:
        self._events, write_end = os.pipe()
        command = [sys.executable, "-m", "uad_bench.worker", str(write_end)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(write_end,),
            start_new_session=True,
        )
        os.close(write_end)
        self._started = time.monotonic()
        threading.Thread(target=self._drain, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_group()
        os.close(self._events)

    def describe(self, params: dict[str, Any], pair: tuple[str, str]) -> dict[str, Any]:
        """What the method needs and its resolved hyperparameters."""
        entry = {**asdict(self.entry), "file": str(self.entry.file or "")}
        self._send({"entry": entry, "params": params, "pair": pair})
        return next(event for event in self._read() if event["event"] == "described")

    def work(self, assignment: Assignment) -> Iterator[dict[str, Any]]:
        """Fit and score; yields events until the last map is stored."""
        self._send(asdict(assignment))
        for event in self._read():
            if event["event"] == "done":
                return
            yield event

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its death is reported by _read
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> Iterator[dict[str, Any]]:
        """Events as they come; a failure, an early end or a broken limit raises."""
        rest = b""
        while True:
            if select([self._events], [], [], POLL_S)[0]:
                block = os.read(self._events, 1 << 16)
                if not block:
                    raise self._ended()
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    yield _checked(json.loads(line))
            self._check_limits()

    def _ended(self) -> MethodError:
        """The process closed its pipe without saying that it was done."""
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return MethodError("the method closed the harness's pipe", reason="crash")
        if code < 0:
            return MethodError(
                f"the method's process was ended by signal {-code} ({signal.Signals(-code).name})",
                reason=f"signal {-code}",
            )
        return MethodError(f"the method's process ended early with exit code {code}", reason="crash")

    def _check_limits(self) -> None:
        used = time.monotonic() - self._started
        if self.limits.seconds is not None and used > self.limits.seconds:
            raise MethodError(f"over the limit of {self.limits.seconds:g} s", reason="timeout")
        if (
            self.limits.memory_mib is not None
            and (resident := group_rss_mib(self._process.pid)) > self.limits.memory_mib
        ):
            raise MethodError(
                f"used {resident:.0f} MiB, over the limit of {self.limits.memory_mib:g} MiB", reason="oom"
            )

    def _drain(self) -> None:
        """Keep the first MiB of what the method prints, and go on reading so that it never blocks."""
        assert self._process.stdout is not None
        written = 0
        with self.log.open("ab") if self.log else contextlib.nullcontext() as log:
            while block := os.read(self._process.stdout.fileno(), 1 << 16):
                if log and written < LOG_LIMIT:
                    log.write(block[: LOG_LIMIT - written])
                    log.flush()
                written += len(block)

    def _end_group(self) -> None:
        """Ask the group to end, then make it; no process of it outlives the harness's interest."""
        for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
            if self._process.poll() is None or number == signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)


def group_rss_mib(group: int) -> float:
    """Resident memory of all processes of a group, in MiB (Linux; 0 elsewhere)."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            after_name = status.read_text().rpartition(")")[2].split()
            if int(after_name[2]) == group:
                total += int(after_name[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / (1 << 20)


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    """Pass an event on; a failure of the method becomes an error that carries its traceback."""
    if event["event"] != "failed":
        return event
    if event["exit_code"] == MethodError.exit_code:
        error: UadBenchError = MethodError(event["message"], reason=event["reason"])
    else:
        kinds = {kind.exit_code: kind for kind in UadBenchError.__subclasses__()}
        error = kinds.get(event["exit_code"], UadBenchError)(event["message"])
    error.add_note(event["traceback"])
    raise error
