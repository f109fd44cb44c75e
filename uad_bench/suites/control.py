"""Runs a suite on this machine and stops it: parallel `uad-bench run` processes, and a live table on a terminal."""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.live import Live

from uad_bench.console import stderr
from uad_bench.errors import ConfigError
from uad_bench.files import write_text
from uad_bench.runs.environment import gpu_names
from uad_bench.suites.slurm import logs_of, submitted
from uad_bench.suites.states import Place, Standing, State, failures, suite_table, survey

PID = "pid"
POLL_S = 0.5
GRACE_S = 10.0


def run_locally(places: Sequence[Place], left: Sequence[Place], *, title: str, jobs: int, folder: Path) -> None:
    """Run the cells in `left`, showing the progress of the whole suite.

    Raises:
        ConfigError: another process is running the suite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (other := running_local(folder)) is not None:
        raise ConfigError(f"process {other} is running this suite; wait, or stop it with uad-bench suite cancel")
    write_text(folder / PID, f"{os.getpid()} {_birth(os.getpid())}")
    try:
        with _watching(places, title, jobs, folder) as watch:
            LocalExecutor(jobs, folder, watch).run(left)
    finally:
        (folder / PID).unlink(missing_ok=True)


def running_local(folder: Path) -> int | None:
    """Id of the process that runs this suite on this machine, if any; a process with a reused id is not mistaken."""
    try:
        pid, birth = map(int, (folder / PID).read_text().split())
    except (OSError, ValueError):
        return None
    return pid if _birth(pid) == birth else None


def stop_local(folder: Path) -> bool:
    """Ask the process that runs this suite to stop; returns whether there was one."""
    pid = running_local(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    return pid is not None


def _birth(pid: int) -> int:
    """Start time of a process in clock ticks since boot; -1 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return -1


def share_of(seat: int, seats: int, *, gpus: int) -> dict[str, str]:
    """Environment variables that assign one of the parallel cells its share of the cores and one GPU.

    Variables that the user has set are kept.
    """
    cores = os.cpu_count() or 1
    share = {"OMP_NUM_THREADS": str(max(1, cores // seats))}
    if gpus > 1:
        share["CUDA_VISIBLE_DEVICES"] = str(seat % gpus)
    return {name: value for name, value in share.items() if name not in os.environ}


@dataclass(slots=True)
class LocalExecutor:
    """Runs up to `jobs` cells in parallel, and stops all of them when it is interrupted.

    Attributes:
        folder: of the suite; contains the logs of the cells.
        watch: called about twice per second.
    """

    jobs: int
    folder: Path
    watch: Callable[[], None]
    _running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def run(self, places: Sequence[Place]) -> None:
        """Run all cells until they end, successfully or not."""
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
    """Terminate the processes, and kill those that remain; each ends its method's process itself."""
    alive = [process for process in processes if process.poll() is None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive:
            process.send_signal(number)
        for process in alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        alive = [process for process in alive if process.poll() is None]


@contextlib.contextmanager
def _watching(places: Sequence[Place], title: str, jobs: int, folder: Path) -> Iterator[Callable[[], None]]:
    console = stderr()
    if not console.is_terminal:
        yield _Lines(places)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _Display(places, title, jobs, folder, live)


@dataclass(slots=True)
class _Display:
    """Redraws the table."""

    places: Sequence[Place]
    title: str
    jobs: int
    folder: Path
    live: Live
    seen: list[Standing] = field(default_factory=list)

    def __call__(self) -> None:
        self.seen = survey(self.places, before=self.seen)
        running = [standing.place for standing in self.seen if standing.state is State.RUNNING]
        doing = {place.cell.name: last_line(local_log(self.folder, place)) for place in running}
        width = self.live.console.width
        table = suite_table(self.seen, title=self.title, jobs=self.jobs, doing=doing, width=width)
        self.live.update(table, refresh=True)


@dataclass(slots=True)
class _Lines:
    """Prints one line per change of a cell's state."""

    places: Sequence[Place]
    seen: list[Standing] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = survey(self.places)

    def __call__(self) -> None:
        before = {standing.name: standing.state for standing in self.seen}
        self.seen = survey(self.places, before=self.seen)
        done = Counter(standing.state for standing in self.seen)[State.DONE]
        for standing in self.seen:
            if standing.state != before[standing.name]:
                text = failures([standing]) or [f"{standing.name}: {standing.state}"]
                stderr().print(f"{text[0]} ({done} of {len(self.seen)} done)", markup=False)


FOLDER = "logs"
LONGEST = 48
TAIL = 4096


def local_log(folder: Path, place: Place) -> Path:
    """Log file of a cell that runs on this machine."""
    return folder / FOLDER / f"{place.cell.name}.log"


def newest_log(folder: Path, place: Place) -> Path | None:
    """The most recent log file, of this machine or of a Slurm job; None for a cell that never ran."""
    job = submitted(folder).get(place.cell.name)
    logs = [local_log(folder, place), *([logs_of(folder, job)] if job else [])]
    return max((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime, default=None)


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, truncated; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    printed = [line.strip() for line in lines if line.strip()]
    return printed[-1][:LONGEST] if printed else ""
