"""A method's own process: reads requests on standard input, answers with events on a pipe of its own.

Started by `uad_bench.isolation`; what the method prints goes to its log and can disturb nothing.
"""

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from uad_bench.errors import MethodError, UadBenchError
from uad_bench.registry import Entry
from uad_bench.stages import Assignment, describe, work


def main(pipe: int) -> None:
    """Answer one `describe` and one `work` request."""
    events = os.fdopen(pipe, "w", encoding="utf-8", buffering=1)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness decides when to stop

    def emit(event: str, **details: Any) -> None:
        events.write(json.dumps({"event": event, **details}) + "\n")

    try:
        asked = json.loads(requests.readline())
        method, description = describe(_entry(asked["entry"]), asked["params"], tuple(asked["pair"]))
        emit("described", **description)
        if line := requests.readline():
            _die_with_harness(requests)
            work(method, Assignment(**json.loads(line)), emit)
            emit("done")
    except UadBenchError as error:
        emit("failed", **_failure(error, getattr(error, "reason", None)))
    except MemoryError as error:
        emit("failed", **_failure(error, "oom"))
    except Exception as error:  # noqa: BLE001 - whatever a method does, it is reported
        emit("failed", **_failure(error, "crash"))


def _entry(stored: dict[str, str]) -> Entry:
    file = Path(stored["file"]) if stored["file"] else None
    return Entry(stored["name"], stored["target"], stored["distribution"], file)


def _failure(error: BaseException, reason: str | None) -> dict[str, Any]:
    """What the harness is told; only errors of configuration and the like keep an exit code of their own."""
    known = isinstance(error, UadBenchError)
    return {
        "message": str(error) if known else f"{type(error).__name__}: {error}",
        "reason": reason or "crash",
        "traceback": traceback.format_exc(),
        "exit_code": error.exit_code if isinstance(error, UadBenchError) else MethodError.exit_code,
    }


def _die_with_harness(requests: TextIO) -> None:
    """End this process when the harness is gone, however it went: then its end of standard input closes."""

    def watch() -> None:
        requests.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
