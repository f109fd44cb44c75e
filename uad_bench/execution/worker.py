"""Main program of a method's process: reads requests from standard input, and writes events to a separate pipe.

Started by `uad_bench.execution.isolation`; the method's output goes to its log.
"""

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from itertools import chain
from queue import Queue
from typing import IO, Any

from pydantic import TypeAdapter

from uad_bench.data.store import raise_file_limit
from uad_bench.errors import MethodError, UadBenchError
from uad_bench.execution.access import AccessPolicy, AuditHook
from uad_bench.execution.messages import Done, Failure
from uad_bench.execution.stages import Assignment, Emit, describe, lacks_memory, work
from uad_bench.method import Method
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described, Event, LabelAccess

LONGEST_MESSAGE, LONGEST_TRACEBACK = 2_000, 20_000


def main(pipe: int) -> None:
    """Answer requests one by one until the harness ends this process."""
    os.set_inheritable(pipe, False)
    requests = _requests(os.fdopen(os.dup(0), "rb"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness decides when to stop
    raise_file_limit()
    emit = _emitter(os.fdopen(pipe, "wb", buffering=0))
    try:
        _answer(requests, emit)
    except Exception as error:  # noqa: BLE001 - any exception of the method is reported
        emit(describe_failure(error))


def describe_failure(error: Exception) -> Failure:
    """The message for an error: its class if it is one of `uad_bench.errors`, else a crash or out of memory."""
    known = isinstance(error, UadBenchError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    return Failure(
        kind=type(error).__name__ if known else MethodError.__name__,
        message=message[:LONGEST_MESSAGE],
        reason=getattr(error, "reason", None) or ("oom" if lacks_memory(error) else "crash"),
        traceback="".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:],
    )


def _answer(requests: Iterator[dict[str, Any]], emit: Emit) -> None:
    """Describe the method that a request names, and let it fit and score what the requests after it assign."""
    asked = next(requests)
    hook = _restrict(asked, emit)
    for request in chain([asked], requests):
        if "entry" in request:
            asked, (method, description) = request, _build(request)
            emit(description)
            continue
        assignment = Assignment(**request)
        if assignment.ranks * assignment.nodes > 1:
            from uad_bench.execution.ranks import launch

            launch(run_rank, asked, assignment, emit)
        else:
            hook.allow(assignment.run)
            work(method, assignment, emit)
        emit(Done())


def run_rank(asked: dict[str, Any], assignment: Assignment, emit: Emit) -> Failure | None:
    """One rank's part of an assignment, in a process that the launcher started; returns why it failed, if it did."""
    from uad_bench.execution.ranks import joined

    try:
        _restrict(asked, emit).allow(assignment.run)
        method, _ = _build(asked)
        with joined(assignment) as own:
            work(method, own, emit)
    except Exception as error:  # noqa: BLE001 - any exception of the method is reported
        return describe_failure(error)
    return None


def _restrict(asked: dict[str, Any], emit: Emit) -> AuditHook:
    """Restrict this process, for good."""
    access = AccessPolicy.from_json(asked["access"])
    hook = AuditHook(access, lambda path: emit(LabelAccess(path=path[:LONGEST_MESSAGE])))
    sys.addaudithook(hook)
    return hook


def _build(asked: dict[str, Any]) -> tuple[Method, Described]:
    return describe(TypeAdapter(Entry).validate_python(asked["entry"]), asked["params"], tuple(asked["pair"]))


def _emitter(events: IO[bytes]) -> Emit:
    """A function that writes events as whole lines, safely from any thread."""
    lock = threading.Lock()

    def emit(event: Event) -> None:
        line = json.dumps(event.to_json()).encode() + b"\n"
        with lock:
            while line:
                line = line[events.write(line) :]

    return emit


def _requests(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Requests as they arrive; this process group is killed when the harness ends, which closes standard input."""
    arrived: Queue[bytes] = Queue()

    def listen() -> None:
        for line in stream:
            arrived.put(line)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(arrived.get())
