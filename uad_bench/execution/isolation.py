"""Runs a method in its own process group, with limits; its messages become events, and any failure a `MethodError`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from select import select
from typing import Any, Self

from pydantic_core import to_jsonable_python

from uad_bench import errors
from uad_bench.errors import MethodError, ResourceError, UadBenchError
from uad_bench.execution.access import AccessPolicy
from uad_bench.execution.launcher import FAILED
from uad_bench.execution.messages import Done, Failure, parse_message
from uad_bench.execution.processes import GRACE_S, count_oom_kills, end_group, group_rss_mib
from uad_bench.execution.sandbox import VARIABLE, Sandbox, isolation_available
from uad_bench.execution.stages import Assignment
from uad_bench.files import lacks_space
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described, Event, Isolation

LOG_LIMIT = 1 << 20
LINE_LIMIT = 1 << 20
POLL_S = 0.25
START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from uad_bench.execution.worker import main; main(int(sys.argv[1]))"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of a method: wall time per request in seconds, and memory of its process group in MiB."""

    seconds: float | None = None
    memory_mib: float | None = None

    def check(self, seconds: float, resident_mib: float) -> None:
        """Raise the error of a method that exceeds a limit."""
        if self.seconds is not None and seconds > self.seconds:
            raise MethodError(f"over the limit of {self.seconds:g} s", reason="timeout")
        if self.memory_mib is not None and resident_mib > self.memory_mib:
            raise MethodError(f"used {resident_mib:.0f} MiB, over the limit of {self.memory_mib:g} MiB", reason="oom")


@dataclass(slots=True)
class WorkerProcess:
    """A method's process; a context manager that terminates the whole process group on exit.

    Attributes:
        log: file for the first MiB of the method's output; the method may write to the folder of this file.
        limits: the method is terminated if it exceeds one.
        note: receives events that precede the description.
        isolation: how `access` is enforced.

    Raises:
        MethodError: from `describe` and `work`, when the method fails in any way.
    """

    entry: Entry
    log: Path | None = None
    limits: Limits = Limits()
    access: AccessPolicy = field(default_factory=AccessPolicy)
    note: Callable[[Event], None] = lambda _: None
    isolation: Isolation = field(default_factory=isolation_available)
    _sandbox: Sandbox = field(init=False, repr=False)
    _folder: Path | None = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] = field(init=False, repr=False)
    _printed: threading.Thread = field(init=False, repr=False)
    _events: int = field(init=False, repr=False)
    _rest: bytes = field(init=False, repr=False, default=b"")
    _oom_kills: int = field(init=False, repr=False, default=0)

    def __enter__(self) -> Self:
        self.turn_to(self.entry, self.log)
        self._events, write_end = os.pipe()
        self._oom_kills = count_oom_kills()
        try:
            self._sandbox = Sandbox(self.access, self.isolation)
            self._process = _start(self._sandbox, write_end)
        except OSError as error:
            os.close(self._events)
            self._sandbox.close()
            raise ResourceError(f"cannot start a process: {error.strerror}; close other programs") from error
        finally:
            os.close(write_end)
        self._printed = threading.Thread(target=self._drain, daemon=True)
        self._printed.start()
        return self

    def __exit__(self, *_: object) -> None:
        end_group(self._process)
        os.close(self._events)
        self._printed.join(GRACE_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe and not self._printed.is_alive():  # else a process that left the group still has the pipe open
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._sandbox.close()

    def turn_to(self, entry: Entry, log: Path | None) -> None:
        """Make this the method that is described next, and the file that its output goes to."""
        self.entry, self.log, self._folder = entry, log, log and log.parent.resolve()

    def describe(self, params: dict[str, Any], pair: tuple[str, str]) -> Described:
        """The modalities that the method needs, and its resolved hyperparameters."""
        self._send(
            {"entry": to_jsonable_python(self.entry), "params": params, "pair": pair, "access": self.access.to_json()}
        )
        for event in self._read():
            if isinstance(event, Described):
                return event
            self.note(event)
        raise self._ended()

    def work(self, assignment: Assignment) -> Iterator[Event]:
        """Fit and score; yields events until the last map is stored."""
        shown = self._folder if self.isolation == "mount-namespace" else None  # its path in there survives a rename
        self._send({**asdict(assignment), "run": str(shown or assignment.run)})
        for event in self._read():
            if isinstance(event, Done):
                return
            yield event

    def _send(self, message: dict[str, Any]) -> None:
        """Write a request from a thread, since a method that hangs never reads it."""
        threading.Thread(target=self._write, args=(json.dumps(message).encode() + b"\n",), daemon=True).start()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # _read reports a process that has ended
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> Iterator[Event]:
        """Events as they arrive; raises on a failure, an early exit or an exceeded limit."""
        started = checked = time.monotonic()
        while True:
            readable = bool(select([self._events], [], [], POLL_S)[0])
            block = os.read(self._events, 1 << 16) if readable else b""
            if not block and (readable or self._process.poll() is not None):
                raise self._ended()
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                yield self._believed(line)
            if len(self._rest) > LINE_LIMIT:
                raise _forged()
            if (now := time.monotonic()) - checked >= POLL_S:
                checked = now
                self.limits.check(now - started, group_rss_mib(self._process.pid) if self.limits.memory_mib else 0.0)

    def _believed(self, line: bytes) -> Event:
        """As `_checked`, but a full disk, which stops all methods, is believed only where there is one."""
        try:
            return _checked(line)
        except ResourceError as error:
            if self.log is None or lacks_space(self.log.parent):
                raise
            failure = MethodError(f"{error} (but the disk has space)")
            for note in error.__notes__:
                failure.add_note(note)
            raise failure from error

    def _ended(self) -> MethodError:
        """The error for a process that ended before its work was done."""
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return MethodError("the method closed the event pipe of the harness", reason="crash")
        if code == FAILED:
            advice = f"see method.log, or set {VARIABLE} to landlock or audit-hook"
            return MethodError(f"the method could not be isolated ({self.isolation}): {advice}", reason="crash")
        if code == -signal.SIGKILL and count_oom_kills() > self._oom_kills:
            return MethodError("the kernel killed the method's process: out of memory", reason="oom")
        if code < 0:
            name = signal.Signals(-code).name
            message = f"the method's process was terminated by signal {-code} ({name})"
            return MethodError(message, reason=f"signal {-code}")
        return MethodError(f"the method's process ended early with exit code {code}", reason="crash")

    def _drain(self) -> None:
        """Log the first MiB of output, and read the rest so that the method never blocks."""
        assert self._process.stdout is not None
        room = LOG_LIMIT if self.log else 0
        with contextlib.suppress(ValueError):  # closed from the other thread
            while block := os.read(self._process.stdout.fileno(), 1 << 16):
                if room > 0:
                    room = append_log(self.log, block[:room], room)


def command_of_worker(events: int) -> list[str]:
    """Command line of a method's interpreter, with the module path of this one but without the working directory."""
    places = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is the working directory
    return [sys.executable, "-P", "-c", START, str(events), json.dumps(places)]


def _start(sandbox: Sandbox, events: int) -> subprocess.Popen[bytes]:
    """Start the method's process, with a fixed hash seed so that sets have the same order in every run.

    OpenMP threads wait passively: on shared cores, spinning threads were ten times slower.
    """
    return sandbox.start(
        command_of_worker(events),
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(events,),
    )


def append_log(log: Path | None, block: bytes, room: int) -> int:
    """Append to the log and return the bytes left; a log that cannot be written is abandoned."""
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # it may be a link or a pipe
        with os.fdopen(os.open(log or os.devnull, flags, 0o666), "ab") as file:
            file.write(block)
    except OSError:
        return 0
    return room - len(block)


def _checked(line: bytes) -> Event:
    """Parse an event; a failure of the method is raised as an error with its traceback."""
    try:
        event = parse_message(line)
    except ValueError as error:
        raise _forged() from error
    if isinstance(event, Failure):
        raise _failure(event)
    return event


def _failure(event: Failure) -> UadBenchError:
    """The error that the worker described; its class determines whether other methods can continue."""
    kind = vars(errors).get(event.kind)
    if isinstance(kind, type) and issubclass(kind, UadBenchError) and kind is not MethodError:
        error: UadBenchError = kind(event.message)
    else:
        error = MethodError(event.message, reason=event.reason)
    error.add_note(event.traceback)
    return error


def _forged() -> MethodError:
    return MethodError("the method wrote invalid data to the event pipe of the harness", reason="crash")
