"""Which folders and files a method's process may reach: labels, source images and other runs are hidden from it."""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from uad_bench.data.subject import Subject
from uad_bench.resources import PACKAGE, resource_path

SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/dev")  # noqa: S108 - named to let a method use them, not to write there


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What a method's process may reach. Of nested places the innermost decides; all else is read-only.

    Attributes:
        hidden: folders and files that cannot be opened, resolved.
        read_only: places in them that can be read, or in writable ones that cannot be changed.
        writable: places that can be changed.
    """

    hidden: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()

    @classmethod
    def around(
        cls,
        subjects: Iterable[Subject],
        *,
        hidden: Iterable[Path],
        read_only: Iterable[Path] = (),
        writable: Iterable[Path] = (),
    ) -> Self:
        """Hide the subjects' files, source images and the `hidden` folders; let the method have what it works with."""
        people = list(subjects)
        read = {os.path.realpath(path) for path in (*_code(), *read_only)}
        write = {os.path.realpath(path) for path in (tempfile.gettempdir(), *SCRATCH, *map(str, writable))}
        files = _real({f.path for s in people for f in (*s.images.values(), s.label, s.brain_mask) if f})
        sources = _real({folder for s in people for folder in s.sources})
        data = _folders(files) | sources | _around(_folders(files), read | write) | _around(sources, read | write)
        others = {os.path.realpath(folder) for folder in hidden}
        others.add(os.path.realpath(f"/run/user/{os.getuid()}"))  # sockets through which services start programs
        return cls(frozenset({*data, *others, *_block_devices()}), frozenset(read), frozenset(write))

    @classmethod
    def from_json(cls, values: Mapping[str, Iterable[str]]) -> Self:
        """What `to_json` gave."""
        return cls(**{key: frozenset(places) for key, places in values.items()})

    def to_json(self) -> dict[str, list[str]]:
        """Plain values."""
        return {key: sorted(places) for key, places in asdict(self).items()}

    def hides(self, path: str) -> bool:
        """Whether this file or folder is out of reach."""
        place = os.path.realpath(path)
        while place.strip(os.sep):
            if place in self.hidden:
                return True
            if place in self.read_only or place in self.writable:
                return False
            place = os.path.dirname(place)  # noqa: PTH120 - plain text, asked for each file opened
        return False


def _real(paths: set[Path]) -> set[str]:
    """Where these paths lead, and where they lie: the two differ for links."""
    lying = {str(path.parent.resolve() / path.name) for path in paths}
    return lying | {os.path.realpath(path) for path in paths}


def _folders(files: set[str]) -> set[str]:
    """The folders of these files; the file alone where its folder is around the home or the working folder."""
    folders = ((file, os.path.dirname(file)) for file in files)  # noqa: PTH120 - plain text throughout
    return {file if _is_around(folder, _own()) else folder for file, folder in folders}


def _around(folders: set[str], kept: set[str]) -> set[str]:
    """The folder around all of these, unless other things lie in it as well."""
    root = os.path.commonpath(folders) if folders else os.sep
    return set() if _is_around(root, {*kept, *_own()}) else {root}


def _is_around(folder: str, places: set[str]) -> bool:
    return any(Path(place).is_relative_to(folder) for place in places)


def _own() -> set[str]:
    return {os.path.realpath(os.path.expanduser("~")), os.path.realpath(os.curdir)}  # noqa: PTH111 - there may be no home


def _code() -> list[Path]:
    """Where modules are imported from: the next method and the harness itself use them as well."""
    shipped = [PACKAGE, *(resource_path(name) for name in ("configs", "leaderboards", "methods"))]
    return [*shipped, *map(Path, (sys.prefix, sys.base_prefix, *filter(None, sys.path)))]


def _block_devices() -> list[str]:
    """Disks that this user may read, and with them any file."""
    found = [Path(folder, name) for folder, _, names in os.walk("/dev") for name in names]
    return [
        str(path) for path in found if not path.is_symlink() and path.is_block_device() and os.access(path, os.R_OK)
    ]


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
