"""What people see while something long runs: a live display on a terminal, plain lines anywhere else."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from uad_bench.method import Progress

LINE_EVERY_S = 10.0


def stdout() -> Console:
    """Where results go; wide enough for a table when it is a file or a pipe, unless COLUMNS says otherwise."""
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if known else 160, highlight=False, soft_wrap=False)


def stderr() -> Console:
    """Where progress and messages go, so that results can be piped."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


@dataclass(slots=True)
class Reporter:
    """Shows progress reports under a title that says which method and fold they belong to."""

    console: Console
    title: str = ""
    bars: Bars | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _last: tuple[str, float] = ("", 0.0)

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        if self.bars is None:
            self._line(progress)
        else:
            self._bar(self.bars, progress)

    def start(self, title: str) -> None:
        """Begin a new part of the work."""
        self.title = title
        if self.bars:
            for task in self._tasks.values():
                self.bars.remove_task(task)
        self._tasks.clear()
        self._last = ("", 0.0)

    def say(self, text: str) -> None:
        """One line above the display."""
        self.console.print(text, markup=False)

    def _bar(self, bars: Bars, progress: Progress) -> None:
        name = f"{self.title}: {progress.stage}" if self.title else progress.stage
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, total=progress.total, details="")
        bars.update(self._tasks[name], completed=progress.step, total=progress.total, details=details(progress))

    def _line(self, progress: Progress) -> None:
        """A line at the start and end of a stage, and one every ten seconds."""
        name = f"{self.title}: {progress.stage}" if self.title else progress.stage
        stage, shown = self._last
        ended = progress.step >= progress.total
        if name == stage and not ended and time.monotonic() - shown < LINE_EVERY_S:
            return
        self._last = (name, time.monotonic())
        self.console.print(f"{name} {progress.step}/{progress.total} {details(progress)}".rstrip())


def details(progress: Progress) -> str:
    """Loss and speed, where known."""
    loss = "" if progress.loss is None else f"loss {progress.loss:.4f}"
    speed = "" if progress.slices_per_s is None else f"{progress.slices_per_s:.0f} slices/s"
    return "  ".join(part for part in (loss, speed) if part)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter for the duration of a command."""
    console = stderr()
    if not console.is_terminal:
        yield Reporter(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield Reporter(console, bars=bars)
