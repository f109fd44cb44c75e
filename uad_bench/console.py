"""Print tables and progress: progress bars on a terminal, one updated line in a notebook, plain lines elsewhere."""

import io
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
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
from rich.segment import Segment

from uad_bench.method import Progress

LINE_EVERY_S = 10.0
WIDE = 160  # columns of a file or a pipe


def visible(text: str, *, keep: str = "") -> str:
    """Replace control and text-direction characters by their code point, since they can alter what is displayed."""
    if text.isprintable():
        return text
    hidden = {"Cc", "Cf", "Cs", "Co"}
    return "".join(f"<U+{ord(c):04X}>" if unicodedata.category(c) in hidden and c not in keep else c for c in text)


class Terminal(Console):
    """A console that writes plain text, in notebooks too, and leaves broken pipes to the caller.

    Control characters are shown as their code point, since text may come from a method or a file.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, force_jupyter=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Segments without control characters in their text, except line ends."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep="\n"))

    def on_broken_pipe(self) -> NoReturn:
        """Re-raise the error instead of exiting as rich does."""
        raise  # noqa: PLE0704 - called by rich while it handles the error


def stdout() -> Console:
    """Console for results; 160 columns wide when writing to a file or pipe, unless COLUMNS is set."""
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Terminal(width=None if known else WIDE, soft_wrap=False)


def stderr() -> Console:
    """Console for progress and messages, kept apart from results so that these can be piped."""
    return Terminal(stderr=True, soft_wrap=not sys.stderr.isatty())


def as_text(renderable: RenderableType) -> str:
    """Render anything that rich can print as plain text, without colours and trailing spaces."""
    text = io.StringIO()
    Terminal(file=text, width=WIDE, color_system=None, force_terminal=False).print(renderable)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


@dataclass(slots=True)
class Reporter:
    """Displays progress reports under a title that names the method and fold.

    Attributes:
        bars: progress bars, on a terminal.
        show: displays a progress line when there are no bars; by default each line is printed.
        every_s: minimum seconds between two lines of the same stage.
    """

    console: Console
    title: str = ""
    bars: Bars | None = None
    show: Callable[[str], object] | None = None
    every_s: float = LINE_EVERY_S
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _last: tuple[str, float] = ("", 0.0)

    def __call__(self, progress: Progress) -> None:
        """Display one progress report."""
        if self.bars is None:
            self._line(progress)
        else:
            self._bar(self.bars, progress)

    def start(self, title: str) -> None:
        """Set the title and remove the bars of the previous one."""
        self.title = title
        if self.bars:
            for task in self._tasks.values():
                self.bars.remove_task(task)
        self._tasks.clear()
        self._last = ("", 0.0)

    def say(self, text: str) -> None:
        """Print one line above the progress bars."""
        self.console.print(text, markup=False)

    def _bar(self, bars: Bars, progress: Progress) -> None:
        name = f"{self.title}: {progress.stage}" if self.title else progress.stage
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, total=progress.total, details="")
        bars.update(self._tasks[name], completed=progress.step, total=progress.total, details=details(progress))

    def _line(self, progress: Progress) -> None:
        """Show a line at the start and end of a stage, and at most every `every_s` seconds in between."""
        name = f"{self.title}: {progress.stage}" if self.title else progress.stage
        stage, shown = self._last
        ended = progress.step >= progress.total
        if name == stage and not ended and time.monotonic() - shown < self.every_s:
            return
        self._last = (name, time.monotonic())
        (self.show or self.say)(f"{name} {progress.step}/{progress.total} {details(progress)}".rstrip())


def details(progress: Progress) -> str:
    """Format the loss and speed, where known."""
    loss = "" if progress.loss is None else f"loss {progress.loss:.4f}"
    speed = "" if progress.slices_per_s is None else f"{progress.slices_per_s:.0f} slices/s"
    return "  ".join(part for part in (loss, speed) if part)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Provide a `Reporter` for the duration of a command."""
    console = stderr()
    if show := _notebook_line():
        yield Reporter(console, show=show, every_s=0.5)
        return
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


def _notebook_line() -> Callable[[str], object] | None:
    """A function that updates one line below the running notebook cell; None outside notebooks."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        return None
    handle = sys.modules["IPython"].display.display({"text/plain": ""}, raw=True, display_id=True)
    return lambda text: handle.update({"text/plain": text}, raw=True)
