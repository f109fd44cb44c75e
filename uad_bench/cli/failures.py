"""Messages and exit codes of failed commands, and standard streams that are closed, full or without UTF-8."""

import codecs
import csv
import errno
import json
import os
import signal
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import typer

from uad_bench.errors import ConfigError, PathError, UadBenchError

INTERNAL = 70  # exit code of a bug, as in sysexits.h
RESOURCES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
DATA = {"--data", "-d"}
FREE = "; free some and run the same command again"


class Stop(BaseException):
    """A request to stop, by signal. Not a KeyboardInterrupt, which Typer turns into an exit without a message."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def explain(error: BaseException, arguments: Sequence[str]) -> tuple[str, int]:
    """The message and the exit code of an error that ended the command with these arguments."""
    match error:
        case UadBenchError():
            option = option_of(error.path, arguments) if isinstance(error, PathError) else None
            return f"{error} with {option}" if option else str(error), error.exit_code
        case typer.TyperException():
            return f"{error.format_message().replace('Value error, ', '')} (see {_help_of(error)})", 1
        case Stop() | KeyboardInterrupt():
            number = getattr(error, "number", signal.SIGINT)
            return "stopped; finished work is kept: run the same command again to resume", 128 + number
        case OSError():
            return _explain_system_error(error, arguments)
    return _explain_other_error(error)


def option_of(path: str | os.PathLike[str], arguments: Sequence[str]) -> str | None:
    """The option or environment variable that set this path or a folder above it; the most specific one."""
    place = Path(os.path.abspath(path))  # noqa: PTH100 - resolving links would lose what was typed
    above = ((option, Path(os.path.abspath(value))) for option, value in _chosen_paths(arguments) if value)  # noqa: PTH100
    fits = [(len(chosen.parts), option) for option, chosen in above if place == chosen or chosen in place.parents]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _chosen_paths(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in pairwise([*arguments, ""]):
        option, equals, value = word.partition("=")
        if option.startswith("-"):
            yield option, value if equals else following
    from uad_bench.data.cache import cache_root
    from uad_bench.runs.folder import runs_folder

    with suppress(ConfigError):  # without a home folder there is none
        yield "UAD_BENCH_CACHE", str(cache_root())
    yield "--runs", str(runs_folder())
    yield "TMPDIR", tempfile.gettempdir()


def _explain_system_error(error: OSError, arguments: Sequence[str]) -> tuple[str, int]:
    why = error.strerror or str(error)
    lacking = error.errno in RESOURCES
    if error.filename is None:
        stdout_fails()
        return why + (FREE if lacking else ""), 4 if lacking else 1
    path = os.fsdecode(error.filename)
    if lacking:
        return f"{path}: {why}{FREE}", 4
    option = option_of(path, arguments)
    elsewhere = f" with {option}" if option else ""
    of_data = option in DATA or (option is None and arguments[:1] == ["data"])
    return f"{path}: {why}; correct it, or give another path{elsewhere}", 3 if of_data else 1


def _explain_other_error(error: BaseException) -> tuple[str, int]:
    match error:
        case MemoryError():
            return f"out of memory: {error}", 4
        case UnicodeError() | json.JSONDecodeError() | tomllib.TOMLDecodeError() | csv.Error():
            return f"a file cannot be read: {error}; --debug shows where", 1
    return f"internal error: {_crash(error)}; please report it with the output of --debug", INTERNAL


def _crash(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


def _help_of(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'uad-bench'} --help"


REPLACE = "uad_bench.replace"


def prepare_streams() -> None:
    """Open closed streams on the null device, replace what a stream cannot encode, and ignore an invalid COLUMNS."""
    codecs.register_error(REPLACE, _replacement)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=REPLACE)
    if not os.environ.get("COLUMNS", "").strip("0"):
        os.environ.pop("COLUMNS", None)


def stdout_fails() -> bool:
    """Whether standard output can no longer be written; its remaining content is then discarded."""
    try:
        (sys.__stdout__ or sys.stdout).flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return True
    return False


def _replacement(error: UnicodeError) -> tuple[str, int]:
    r"""A byte of a file name that is not UTF-8 as `\xfc`, any other character as a question mark."""
    assert isinstance(error, UnicodeEncodeError)
    shown = (
        f"\\x{ord(c) & 0xFF:02x}" if "\udc80" <= c <= "\udcff" else "?" for c in error.object[error.start : error.end]
    )
    return "".join(shown), error.end
