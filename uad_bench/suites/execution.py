"""Runs the cells that are left, on this machine: a few processes at a time, each `uad-bench run` itself."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.runs.environment import gpu_names
from uad_bench.suites.logs import local_log
from uad_bench.suites.states import Place

POLL_S = 0.5
GRACE_S = 10.0


def share_of(seat: int, seats: int, *, gpus: int) -> dict[str, str]:
    """Environment that gives one of the cells that run at a time its part of the cores and one of the GPUs.

    What the user has set stays as it is.
    """
    cores = os.cpu_count() or 1
    share = {"OMP_NUM_THREADS": str(max(1, cores // seats))}
    if gpus > 1:
        share["CUDA_VISIBLE_DEVICES"] = str(seat % gpus)
    return {name: value for name, value in share.items() if name not in os.environ}


@dataclass(slots=True)
class LocalExecutor:
    """Keeps up to `jobs` cells running, and stops all of them when it is stopped.

    Attributes:
        jobs: cells at a time.
        folder: of the suite; what each cell prints goes there.
        watch: called about twice a second.
    """

    jobs: int
    folder: Path
    watch: Callable[[], None]
    _running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def run(self, places: Sequence[Place]) -> None:
        """Run all of them to their end, whatever it is."""
        left, gpus = list(places), len(gpu_names())
        try:
            while left or self._running:
                for seat in self._free_seats():
                    if left:
                        self._start(left.pop(0), seat, share_of(seat, self.jobs, gpus=gpus))
                self.watch()
                time.sleep(POLL_S)
        finally:
            _stop(self._running.values())
            self.watch()

    def _free_seats(self) -> list[int]:
        self._running = {seat: process for seat, process in self._running.items() if process.poll() is None}
        return [seat for seat in range(self.jobs) if seat not in self._running]

    def _start(self, place: Place, seat: int, share: Mapping[str, str]) -> None:
        path = local_log(self.folder, place)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as log:
            self._running[seat] = subprocess.Popen(
                place.cell.command(),
                env={**os.environ, **share},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def _stop(processes: Iterable["subprocess.Popen[bytes]"]) -> None:
    """Ask, wait, insist; the cells' own processes end their methods."""
    alive = [process for process in processes if process.poll() is None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive:
            process.send_signal(number)
        for process in alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        alive = [process for process in alive if process.poll() is None]
