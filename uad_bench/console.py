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
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.segment import Segment
from rich.text import Text

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


class Times(ProgressColumn):
    """`5:33 elapsed, 5:41 left` behind a progress bar."""

    def render(self, task: Task) -> Text:
        """The times of one bar; the remaining time is omitted while it is unknown."""
        return Text(times(task.elapsed or 0.0, None if task.finished else task.time_remaining))


def times(elapsed: float, left: float | None = None) -> str:
    """`5:33 elapsed, 5:41 left`; both in seconds."""
    return f"{clock(elapsed)} elapsed" + (f", {clock(left)} left" if left else "")


def clock(seconds: float) -> str:
    """`5:41`, or `1:05:41` from one hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(slots=True)
class Reporter:
    """Displays progress reports under a title that names the method and fold.

    Attributes:
        show: displays a progress line when there are no bars; by default each line is printed.
        every_s: minimum seconds between two lines of the same stage.
    """

    console: Console
    title: str = ""
    bars: Bars | None = None
    show: Callable[[str], object] | None = None
    every_s: float = LINE_EVERY_S
    clock: Callable[[], float] = time.monotonic
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _stage: str = ""
    _began: tuple[int, float] = (0, 0.0)
    _shown: float = 0.0

    def __call__(self, progress: Progress) -> None:
        """Display one progress report."""
        name = f"{self.title}: {progress.stage}" if self.title else progress.stage
        if self.bars is None:
            self._line(name, progress)
        else:
            self._bar(self.bars, name, progress)

    def start(self, title: str) -> None:
        """Set the title and remove the bars of the previous one."""
        self.title, self._stage = title, ""
        if self.bars:
            for task in self._tasks.values():
                self.bars.remove_task(task)
        self._tasks.clear()

    def say(self, text: str) -> None:
        """Print one line above the progress bars."""
        self.console.print(text, markup=False)

    def _bar(self, bars: Bars, name: str, progress: Progress) -> None:
        total = progress.total if progress.total > 1 or progress.step else None  # the bar of a single unit moves
        if name not in self._tasks:
            for earlier in bars.tasks:
                bars.update(earlier.id, total=earlier.total or 1, completed=earlier.total or 1)
            self._tasks[name] = bars.add_task(name, total=total, count="", details="")
        task, told = self._tasks[name], details(progress)
        bars.update(task, completed=progress.step, total=total, count=count(progress), details=told)

    def _line(self, name: str, progress: Progress) -> None:
        """Show a line at the start and end of a stage, and at most every `every_s` seconds in between."""
        now, ended = self.clock(), progress.step >= progress.total
        if name != self._stage:
            self._stage, self._began = name, (progress.step, now)
        elif not ended and now - self._shown < self.every_s:
            return
        self._shown = now
        words = f"{name} {count(progress) or ('done' if ended else '')}".rstrip()
        parts = (words, self._times(progress, now), details(progress))
        (self.show or self.say)(", ".join(filter(None, parts)))

    def _times(self, progress: Progress, now: float) -> str:
        """Elapsed and remaining time of the stage, from its first second on."""
        first, began = self._began
        elapsed = now - began
        if progress.step <= first or elapsed < 1:
            return ""
        return times(elapsed, elapsed * (progress.total - progress.step) / (progress.step - first))


def count(progress: Progress) -> str:
    """`3/8`; empty for a stage of a single unit."""
    return f"{progress.step}/{progress.total}" if progress.total > 1 else ""


def details(progress: Progress) -> str:
    """Format the loss and speed, where known."""
    loss = "" if progress.loss is None else f"loss {progress.loss:.4f}"
    speed = "" if progress.slices_per_s is None else f"{progress.slices_per_s:.0f} slices/s"
    return ", ".join(part for part in (loss, speed) if part)


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
        TextColumn("{task.fields[count]}"),
        Times(),
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
