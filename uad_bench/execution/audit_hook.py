"""Refuses and logs attempts of a method's Python code to open or list hidden files.

Compiled code and other programs are not covered; the sandbox restricts those. The log shows which methods tried.
"""

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import replace
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
"""Audit events about files, with the number of leading arguments that are paths."""
MOST_REPORTS = 100
REFUSED = "a method may not access labels, source images or other runs"


class AuditHook:
    """Audit hook for `sys.addaudithook`: refuses access to hidden files, and reports the first attempts."""

    def __init__(self, access: AccessPolicy, report: Callable[[str], None]) -> None:
        self._access, self._report, self._left = access, report, iter(range(MOST_REPORTS))

    def allow(self, folder: str) -> None:
        """Allow access to this folder, too."""
        self._access = replace(self._access, writable=self._access.writable | {os.path.realpath(folder)})

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check one audit event."""
        for path in map(_path, arguments[: FILE_EVENTS.get(event, 0)]):
            if path and self._access.hides(path):
                if next(self._left, None) is not None:
                    self._report(path)
                raise PermissionError(errno.EACCES, REFUSED, path)


def _path(argument: Any) -> str | None:
    """The argument as text if it is a path; None for descriptors, modes and flags."""
    with contextlib.suppress(Exception):
        return os.fsdecode(argument)
    return None
