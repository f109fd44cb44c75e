"""The parent of a method's process: isolates it, ends all that it leaves behind, and ends as it ended.

Started by `uad_bench.execution.sandbox` in an interpreter of its own; imports the standard library alone, so that no
thread has started when namespaces are entered.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from uad_bench.execution import linux
from uad_bench.execution.linux import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, set_process_option

FAILED = 125
"""Exit code where the isolation that was asked for cannot be had; the reason is on standard error."""
NOT_STARTED = 127
HARNESS_GONE = signal.SIGHUP
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

Access = Mapping[str, list[str]]


def main() -> NoReturn:
    """Arguments: a descriptor with the access policy as JSON, the kind of isolation, and the command."""
    descriptor, isolation, *command = sys.argv[1:]
    with os.fdopen(int(descriptor), encoding="utf-8") as file:
        access = json.load(file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # meant for the method; this process ends after it
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # before the harness, if memory runs out
    try:
        if isolation == "mount-namespace":
            _end_alike(_run_in_namespaces(access, command))
        restrict = {"landlock": lambda: linux.restrict(access)}.get(isolation, lambda: None)
        _end_alike(_run_restricted(restrict, command))
    except OSError as error:
        os._exit(_failed(error))


def _run_in_namespaces(access: Access, command: list[str]) -> int:
    """Run it below the first process of a PID namespace: when that ends, the kernel ends all the others."""
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.enter(access)
    read_end, write_end = os.pipe()

    def be_first() -> None:
        set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.lock()
        os.write(write_end, _wait_for(_start(command)).to_bytes(4, sys.byteorder))

    first = _fork(be_first)
    os.close(write_end)
    told = os.read(read_end, 4)
    _, status = os.waitpid(first, 0)
    return int.from_bytes(told, sys.byteorder) if told else status


def _run_restricted(restrict: Callable[[], None], command: list[str]) -> int:
    """Run it with its rights restricted, and kill whatever it left behind."""

    def stop(*_: object) -> NoReturn:
        _kill_children()
        os._exit(FAILED)

    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(HARNESS_GONE, stop)
    set_process_option(PR_SET_PDEATHSIG, HARNESS_GONE)
    status = _wait_for(_start(command, restrict))
    _kill_children()
    return status


def _start(command: list[str], restrict: Callable[[], None] = lambda: None) -> int:
    """The pid of a child that becomes the command."""

    def become() -> None:
        set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
        restrict()
        for number in (signal.SIGTERM, signal.SIGINT, HARNESS_GONE, *IGNORED_BY_PYTHON):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)  # noqa: S606 - a list, never a shell
        except OSError as error:
            _say(f"{command[0]} cannot be started: {error.strerror}")
            os._exit(NOT_STARTED)

    return _fork(become)


def _fork(work: Callable[[], None]) -> int:
    """The pid of a child that does this and ends."""
    if child := os.fork():
        return child
    try:
        work()
        os._exit(0)
    except OSError as error:
        os._exit(_failed(error))
    finally:
        os._exit(1)


def _wait_for(child: int) -> int:
    """Wait status of this child; orphans that end meanwhile are waited for, too."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _kill_children() -> None:
    """Kill every descendant: the children of one that was killed become this process's own."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            if int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                yield int(stat.parent.name)


def _end_alike(status: int) -> NoReturn:
    """End with the exit code or by the signal of this wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # what cannot be caught has no other handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _failed(error: OSError) -> int:
    _say(f"no isolation: {error}")
    return FAILED


def _say(text: str) -> None:
    print(f"uad-bench: {text}", file=sys.stderr, flush=True)  # noqa: T201
