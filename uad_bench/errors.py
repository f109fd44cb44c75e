"""Errors that a user can act on: each names the thing, says the way out, and carries its exit code."""

import difflib
from collections.abc import Iterable
from os import PathLike
from typing import ClassVar


class UadBenchError(Exception):
    """Base of all errors that end a command with one sentence instead of a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(UadBenchError):
    """A name, key, value or file of the configuration is wrong."""


class PathError(ConfigError):
    """A file or folder cannot be read or written; the command line adds the option that chose it.

    Attributes:
        path: of the file or folder.
    """

    def __init__(self, path: str | PathLike[str], why: str) -> None:
        super().__init__(f"{path}: {why}; choose another place")
        self.path = path


class MethodError(UadBenchError):
    """A method failed; the row reads FAILED(reason) and other rows are untouched."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, reason: str = "crash") -> None:
        super().__init__(message)
        self.reason = reason


class DataError(UadBenchError):
    """The data cannot be used as it is; raised before any training."""

    exit_code: ClassVar[int] = 3


class LeakError(DataError):
    """A test patient would be seen in training, under this or another name."""


class ResourceError(UadBenchError):
    """The machine lacks disk or memory; nothing half-written was left behind."""

    exit_code: ClassVar[int] = 4


class VerificationError(UadBenchError):
    """A stored number, map or manifest is not what it should be, or a method breaks the contract."""

    exit_code: ClassVar[int] = 5


class NotFittedError(UadBenchError):
    """A method was asked to score before it was fitted or given weights."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not registered: says the nearest known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.65)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names) or 'none'}"
    return ConfigError(f"unknown {kind} {name!r}; {hint}")
