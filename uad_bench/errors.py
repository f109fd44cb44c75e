"""Errors shown to the user: each names the problem and its solution, and has an exit code."""

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import ClassVar

LIBRARIES = (str(Path(__file__).parent), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), "<frozen ")


class UadBenchError(Exception):
    """Base of all errors that end a command with one sentence instead of a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(UadBenchError):
    """A name, key, value or file of the configuration is invalid."""


class PathError(ConfigError):
    """A file or folder cannot be read or written; the command line adds the name of the option."""

    def __init__(self, path: str | PathLike[str], why: str) -> None:
        super().__init__(f"{path}: {why}; choose another place")
        self.path = path


class MethodError(UadBenchError):
    """A method failed; its row in the table is FAILED(reason), other rows are not affected."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, reason: str = "crash") -> None:
        super().__init__(message)
        self.reason = reason


class DataError(UadBenchError):
    """The data is missing or invalid; raised before training starts."""

    exit_code: ClassVar[int] = 3


class LeakError(DataError):
    """A test patient is part of the training data, under the same or another id."""


class ResourceError(UadBenchError):
    """The machine lacks disk space or memory; no incomplete file remains."""

    exit_code: ClassVar[int] = 4


class VerificationError(UadBenchError):
    """A stored metric, map or manifest fails verification, or a method violates the interface."""

    exit_code: ClassVar[int] = 5


class NotFittedError(UadBenchError):
    """`score` was called before `fit` or `load_state_dict`."""


def where_raised(error: BaseException) -> str:
    """The last line outside of libraries that an error passed, as `method.py:14, in score`; else the last."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if not frame.filename.startswith(LIBRARIES)), frames[-1])
    return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Up to two known names that the name may be a misspelling of, the most similar first."""
    return difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.65)


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for an unknown name; the message suggests similar known names."""
    names = sorted(known)
    near = similar(name, names)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names) or 'none'}"
    return ConfigError(f"unknown {kind} {name!r}; {hint}")
