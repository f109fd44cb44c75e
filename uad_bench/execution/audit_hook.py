"""Notes, and refuses, what a method's own Python code opens or lists behind the access policy.

It sees neither compiled code nor other programs. Those are the sandbox's matter; this says in the record who tried.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import Any

from uad_bench.execution.access import AccessPolicy

FILE_EVENTS = {
    "open": 1,
    "os.listdir": 1,
    "os.scandir": 1,
    "os.fwalk": 1,
    "os.chdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.rename": 2,
}
"""Audit events that name files, with how many of their arguments do."""
MOST_REPORTS = 100
REFUSED = "labels, source images and other runs are out of a method's reach"


def add_hook(access: AccessPolicy, report: Callable[[str], None]) -> None:
    """From now until this process ends, refuse what is hidden, and report the first attempts."""
    reports = iter(range(MOST_REPORTS))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        for path in map(_path, arguments[: FILE_EVENTS.get(event, 0)]):
            if path and access.hides(path):
                if next(reports, None) is not None:
                    report(path)
                raise PermissionError(errno.EACCES, REFUSED, path)

    sys.addaudithook(watch)


def _path(argument: Any) -> str | None:
    """The argument as text if it is a path; a descriptor, a mode or a flag is not."""
    with contextlib.suppress(Exception):
        return os.fsdecode(argument)
    return None
