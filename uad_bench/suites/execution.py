"""Runs the cells that are left, on this machine: a few processes at a time, each `uad-bench run` itself."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.suites.states import Place

POLL_S = 0.5
GRACE_S = 10.0


def command_of(place: Place) -> list[str]:
    """The process that runs a cell."""
    return [sys.executable, "-m", "uad_bench", *place.cell.arguments()]


@dataclass(slots=True)
class LocalExecutor:
    """Keeps up to `jobs` cells running, and stops all of them when it is stopped.

    Attributes:
        jobs: cells at a time.
        logs: folder for what each cell prints.
        watch: called about twice a second.
    """

    jobs: int
    logs: Path
    watch: Callable[[], None]
    _running: dict[subprocess.Popen[bytes], str] = field(default_factory=dict)

    def run(self, places: Sequence[Place]) -> None:
        """Run all of them to their end, whatever it is."""
        self.logs.mkdir(parents=True, exist_ok=True)
        left = list(places)
        try:
            while left or self._running:
                while left and len(self._running) < self.jobs:
                    self._start(left.pop(0))
                self.watch()
                time.sleep(POLL_S)
                for process in [p for p in self._running if p.poll() is not None]:
                    del self._running[process]
        finally:
            self._stop()
            self.watch()

    def _start(self, place: Place) -> None:
        with (self.logs / f"{place.cell.name}.log").open("wb") as log:
            process = subprocess.Popen(command_of(place), stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self._running[process] = place.cell.name

    def _stop(self) -> None:
        """Ask, wait, insist; the cells' own processes end their methods."""
        for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
            for process in self._running:
                if process.poll() is None:
                    process.send_signal(number)
            for process in self._running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
