"""Starts and stops a suite on this machine, with a live table where there is a terminal."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.live import Live

from uad_bench.console import stderr
from uad_bench.files import write_text
from uad_bench.suites.execution import LocalExecutor
from uad_bench.suites.progress import suite_table
from uad_bench.suites.states import Place, State

PID = "pid"


def run_locally(places: Sequence[Place], left: Sequence[Place], *, title: str, jobs: int, folder: Path) -> None:
    """Run the cells that are left, showing all of the suite."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / PID, str(os.getpid()))
    try:
        with _watching(places, title, jobs) as watch:
            LocalExecutor(jobs, folder / "logs", watch).run(left)
    finally:
        (folder / PID).unlink(missing_ok=True)


def stop_local(folder: Path) -> bool:
    """Ask the process that runs this suite to stop; whether there was one."""
    try:
        os.kill(int((folder / PID).read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def _watching(places: Sequence[Place], title: str, jobs: int) -> Iterator[Callable[[], None]]:
    console = stderr()
    if not console.is_terminal:
        yield _Lines(places)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda: live.update(suite_table(places, title=title, jobs=jobs), refresh=True)


class _Lines:
    """One line for every cell that changes its state."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = places
        self.known = {place.cell.name: place.state for place in places}

    def __call__(self) -> None:
        states = {place.cell.name: place.state for place in self.places}
        for name, state in states.items():
            if state != self.known[name]:
                counts = Counter(states.values())
                stderr().print(f"{name}: {state} ({counts[State.DONE]} of {len(states)} done)")
        self.known = states
