"""Handling of standard streams that are closed or full, or belong to a terminal without UTF-8."""

import codecs
import os
import sys

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
