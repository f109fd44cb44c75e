"""Runs a method passed from Python, as a class or an object, in the calling process.

Such a method is not isolated: it can access whatever the session can. For results to publish, use a plugin file.
"""

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from uad_bench.errors import ConfigError, MethodError, UadBenchError
from uad_bench.execution.process_state import preserved
from uad_bench.execution.stages import Assignment, describe, describe_method, work
from uad_bench.plugins.hyperparameters import hyperparameters
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described, Event, Isolation

Note = Callable[[Event], None]


def live_entry(method: Any, name: str | None = None) -> Entry:
    """An entry for a class or an object.

    Args:
        method: fulfils the contract of `uad_bench.method.Method`.
        name: method name in tables; by default derived from the class, e.g. `patch-pca` for `PatchPCA`.
    """
    cls = method if isinstance(method, type) else type(method)
    if lacking := [part for part in ("modalities", "fit", "score") if not hasattr(cls, part)]:
        raise ConfigError(f"{cls.__name__} lacks {', '.join(lacking)}; see the contract in uad_bench.method")
    return Entry(name or spoken_name(cls.__name__), f"{cls.__module__}:{cls.__qualname__}", live=method)


def live_params(method: Any) -> dict[str, Any]:
    """The hyperparameters of an object; empty for a class."""
    return {} if isinstance(method, type) else hyperparameters(method)


def spoken_name(class_name: str) -> str:
    """Convert a class name to a method name: `PatchPCA` to `patch-pca`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name).lower()


@dataclass(slots=True)
class InProcess:
    """Runs a live method with the interface of `WorkerProcess`, but in the current process."""

    entry: Entry
    note: Note
    isolation: Isolation = field(init=False, default="none")
    _method: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._method = None

    def describe(self, params: dict[str, Any], pair: tuple[str, str]) -> Described:
        """The modalities that the method needs, and its resolved hyperparameters."""
        with self._failures(), preserved():
            if isinstance(self.entry.live, type):
                self._method, description = describe(self.entry, params, pair)
            else:
                self._method, description = self.entry.live, describe_method(self.entry.live)
        return description

    def work(self, assignment: Assignment) -> Iterator[Event]:
        """Fit and score; all events go to `note` as they happen, so the iterator is empty."""
        with self._failures(), preserved():
            work(self._method, assignment, self.note)
        return iter(())

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Convert any exception to a `MethodError`, with its traceback as a note."""
        try:
            yield
        except MethodError as error:
            error.add_note(traceback.format_exc())
            raise
        except UadBenchError:
            raise
        except Exception as error:
            failure = MethodError(f"{type(error).__name__}: {error}", reason="crash")
            failure.add_note(traceback.format_exc())
            raise failure from error
