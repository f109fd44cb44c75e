"""Starts and stops a suite on this machine, with a live table where there is a terminal."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.live import Live

from uad_bench.console import stderr
from uad_bench.errors import ConfigError
from uad_bench.files import write_text
from uad_bench.suites.execution import LocalExecutor
from uad_bench.suites.logs import last_line, local_log
from uad_bench.suites.progress import failures, suite_table
from uad_bench.suites.states import Place, Standing, State, survey

PID = "pid"


def run_locally(places: Sequence[Place], left: Sequence[Place], *, title: str, jobs: int, folder: Path) -> None:
    """Run the cells that are left, showing all of the suite.

    Raises:
        ConfigError: another process runs the suite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (other := running_local(folder)) is not None:
        raise ConfigError(f"process {other} runs this suite; wait for it, or stop it with uad-bench suite cancel")
    write_text(folder / PID, f"{os.getpid()} {_birth(os.getpid())}")
    try:
        with _watching(places, title, jobs, folder) as watch:
            LocalExecutor(jobs, folder, watch).run(left)
    finally:
        (folder / PID).unlink(missing_ok=True)


def running_local(folder: Path) -> int | None:
    """The process that runs this suite here, if one is alive; a number that another program got later is not it."""
    try:
        pid, birth = map(int, (folder / PID).read_text().split())
    except (OSError, ValueError):
        return None
    return pid if _birth(pid) == birth else None


def stop_local(folder: Path) -> bool:
    """Ask the process that runs this suite to stop; whether there was one."""
    pid = running_local(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    return pid is not None


def _birth(pid: int) -> int:
    """When a process started, in ticks since the machine did; -1 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return -1


@contextmanager
def _watching(places: Sequence[Place], title: str, jobs: int, folder: Path) -> Iterator[Callable[[], None]]:
    console = stderr()
    if not console.is_terminal:
        yield _Lines(places)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _Display(places, title, jobs, folder, live)


@dataclass(slots=True)
class _Display:
    """The table, drawn anew."""

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
    """One line for every cell that changes its state."""

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
