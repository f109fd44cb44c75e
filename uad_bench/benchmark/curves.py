"""Training curves for TensorBoard, beside the other files of a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from uad_bench.errors import ConfigError
from uad_bench.files import storage_error
from uad_bench.method import Progress, Report

FORMAT = "brain.Event:2"


def check_tensorboard() -> None:
    """Refuse `--tensorboard` where the package is not installed."""
    if find_spec("tensorboard") is None:
        raise ConfigError("--tensorboard needs tensorboard: pip install 'uad-bench[tensorboard]'")


@contextmanager
def curves(folder: Path, shown: Report, *, wanted: bool = True) -> Iterator[Report]:
    """A function that passes reports of progress on and, if wanted, writes curves into the run folder."""
    written = Curves(folder, shown)
    try:
        yield written if wanted else shown
    finally:
        if written.file:
            written.file.close()


@dataclass(slots=True)
class Curves:
    """Passes reports of progress on, and writes the loss and the steps per second of every training.

    Attributes:
        shown: receives every report.
        file: the event file, from the first loss on.
    """

    folder: Path
    shown: Report
    file: IO[bytes] | None = None
    clock: Callable[[], float] = time.monotonic
    _before: dict[str, tuple[int, float]] = field(default_factory=dict)

    def __call__(self, progress: Progress) -> None:
        """Take one report; one without a loss is only passed on."""
        if progress.loss is not None:
            self._write(progress.step, {f"loss/{progress.stage}": progress.loss, **self._speed(progress)})
        self.shown(progress)

    def _speed(self, progress: Progress) -> dict[str, float]:
        """Steps per second since the previous report of this training."""
        now = self.clock()
        step, since = self._before.get(progress.stage, (progress.step, now))
        self._before[progress.stage] = progress.step, now
        done = progress.step > step and now > since
        return {f"steps per second/{progress.stage}": (progress.step - step) / (now - since)} if done else {}

    def _write(self, step: int, scalars: dict[str, float]) -> None:
        path = self.folder / f"events.out.tfevents.{time.time_ns()}"
        try:
            if self.file is None:  # held open: the method can put a link in its place
                self.file = path.open("xb")
                self._append(file_version=FORMAT)
            self._append(step=step, summary={"value": [{"tag": t, "simple_value": v} for t, v in scalars.items()]})
            self.file.flush()
        except OSError as error:
            raise storage_error(path, error) from error

    def _append(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self.file).write(Event(wall_time=time.time(), **event).SerializeToString())
