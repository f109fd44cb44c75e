"""Keeps a method's own Python code away from the data folders and the labels, and notes each attempt.

It is an audit hook: it sees what Python opens or lists, not what compiled code or a started program does by itself. A
fence against accidents and shortcuts, not a prison; docs/isolation.md says what it stops and what it does not.
"""

import contextlib
import errno
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from uad_bench.data.subject import Subject

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
PROGRAM_EVENTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})
BETWEEN_WORDS = re.compile(r"[\s'\"=:;,|&<>()\[\]]+")
CODE = (".py", ".pyc", ".so", ".pyd")
MOST_REPORTS = 100
DESCRIPTORS = "/proc/self/fd"
UNNAMED = getattr(os, "O_TMPFILE", 0)
REFUSED = "labels and source images are out of a method's reach"


@dataclass(frozen=True, slots=True)
class Fence:
    """What a method's process must not open. The innermost of the folders around a file decides.

    Attributes:
        forbidden: folders, resolved.
        allowed: folders and files, resolved, that stay open although they lie in a forbidden folder.
        names: file names that are refused wherever they lie: those of the labels.
    """

    forbidden: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    @classmethod
    def around(cls, subjects: Iterable[Subject], *, cache: Path, allowed: Iterable[Path]) -> Self:
        """Forbid the folders that hold the subjects' files and all of the cache, apart from what is `allowed`."""
        people = list(subjects)
        files = [f.path for s in people for f in (*s.images.values(), s.label, s.brain_mask) if f]
        folders = {os.path.realpath(path.parent) for path in files}
        sources = {os.path.realpath(folder) for s in people for folder in s.sources}
        kept_open = {os.path.realpath(path) for path in (*allowed, *_python_folders())}
        roots = {*folders, *sources, *_shared_root(folders, kept_open), *_shared_root(sources, kept_open)}
        return cls(
            forbidden=frozenset({*roots, os.path.realpath(cache)}),
            allowed=frozenset(kept_open),
            names=frozenset(s.label.path.name for s in people if s.label),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Iterable[str]]) -> Self:
        """What `to_json` gave."""
        return cls(**{key: frozenset(names) for key, names in values.items()})

    def to_json(self) -> dict[str, list[str]]:
        """Plain values."""
        return {key: sorted(getattr(self, key)) for key in ("forbidden", "allowed", "names")}

    def keeps_out(self, path: str) -> bool:
        """Whether this file or folder is out of reach."""
        place = os.path.realpath(path)
        if place.rpartition(os.sep)[2] in self.names:
            return True
        inner = "" if place.endswith(CODE) else place
        while inner:
            if inner in self.forbidden or inner in self.allowed:
                return inner in self.forbidden
            inner = inner.rpartition(os.sep)[0]
        return False

    def is_below(self, path: str) -> bool:
        """Whether something forbidden lies in this folder: who holds it open gets there by names that say nothing."""
        place = os.path.join(os.path.realpath(path), "")  # noqa: PTH118 - plain text, asked for each file opened
        return any(folder.startswith(place) for folder in self.forbidden)

    def mentioned_in(self, command: str) -> bool:
        """Whether a command line names something that is out of reach."""
        words = BETWEEN_WORDS.split(command)
        return any(self.keeps_out(word) for word in words if os.sep in word or word in self.names)


def raise_fence(fence: Fence, report: Callable[[str], None]) -> None:
    """Refuse, from now until this process ends, whatever its Python code opens behind the fence; report the first."""
    reports = iter(range(MOST_REPORTS))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        refused = _refused(fence, event, arguments)
        if refused is not None:
            if next(reports, None) is not None:
                report(refused)
            raise PermissionError(errno.EACCES, REFUSED, refused)

    sys.addaudithook(watch)


def _refused(fence: Fence, event: str, arguments: tuple[Any, ...]) -> str | None:
    """What an audit event names that is out of reach, if anything; around it, folders may be listed but not held."""
    if event in PROGRAM_EVENTS:
        words = str(arguments[:3])
        return words if fence.mentioned_in(words) else None
    named = arguments[: FILE_EVENTS.get(event, 0)]
    holds = event == "os.rename" or (event == "open" and not _makes_unnamed_file(arguments))
    for place in (place for argument in named for place in _places(argument)):
        if fence.keeps_out(place) or (holds and fence.is_below(place)):
            return place
    return None


def _makes_unnamed_file(arguments: tuple[Any, ...]) -> bool:
    """Whether a temporary file without a name is opened: then the path is the folder for it."""
    flags = arguments[2] if len(arguments) > 2 else 0
    return bool(UNNAMED) and isinstance(flags, int) and flags & UNNAMED == UNNAMED


def _places(argument: Any) -> list[str]:
    """Where the argument may lead: a descriptor to its file, a relative name into any folder that is held open.

    Audit events do not say to which folder a name is relative.
    """
    if isinstance(argument, int):
        return [os.path.realpath(f"{DESCRIPTORS}/{argument}")]
    path = _path(os.curdir if argument is None else argument)
    if not path or path.startswith(os.sep):
        return [path] if path else []
    return [path, *(os.path.realpath(f"{folder}/{path}") for folder in _held_folders())]


def _held_folders() -> list[str]:
    """Folders that this process has open (Linux; elsewhere it may not open those around what is forbidden)."""
    with contextlib.suppress(OSError):
        links = [f"{DESCRIPTORS}/{number}" for number in os.listdir(DESCRIPTORS)]  # noqa: PTH208
        return [link for link in links if os.path.isdir(link)]  # noqa: PTH112
    return []


def _path(argument: Any) -> str | None:
    """The argument as text if it is a path; modes and flags are not."""
    if not isinstance(argument, str | bytes | os.PathLike):
        return None
    with contextlib.suppress(Exception):
        return os.fsdecode(argument)
    return None


def _python_folders() -> list[Path]:
    """Where modules are imported from."""
    return [Path(place) for place in (sys.prefix, sys.base_prefix, *filter(None, sys.path))]


def _shared_root(folders: set[str], kept_open: set[str]) -> set[str]:
    """The folder around all patients, unless other things lie in it as well."""
    root = os.path.commonpath(folders) if folders else os.sep
    others = {*kept_open, os.path.realpath(tempfile.gettempdir()), str(Path.home()), str(Path.cwd())}
    return set() if any(Path(other).is_relative_to(root) for other in others) else {root}
