"""Notes, and refuses, what a method's own Python code opens or lists behind the access policy.

It sees neither compiled code nor other programs. Those are the sandbox's matter; this says in the record who tried.
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
"""Audit events that name files, with how many of their arguments do."""
MOST_REPORTS = 100
REFUSED = "labels, source images and other runs are out of a method's reach"


class AuditHook:
    """Refuses what the policy hides, and reports the first attempts; for `sys.addaudithook`."""

    def __init__(self, access: AccessPolicy, report: Callable[[str], None]) -> None:
        self._access, self._report, self._left = access, report, iter(range(MOST_REPORTS))

    def allow(self, folder: str) -> None:
        """Let this folder be used, too."""
        self._access = replace(self._access, writable=self._access.writable | {os.path.realpath(folder)})

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at one event of the interpreter."""
        for path in map(_path, arguments[: FILE_EVENTS.get(event, 0)]):
            if path and self._access.hides(path):
                if next(self._left, None) is not None:
                    self._report(path)
                raise PermissionError(errno.EACCES, REFUSED, path)


def _path(argument: Any) -> str | None:
    """The argument as text if it is a path; a descriptor, a mode or a flag is not."""
    with contextlib.suppress(Exception):
        return os.fsdecode(argument)
    return None
