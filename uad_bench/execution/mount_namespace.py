"""User, mount and PID namespaces around a method's process (Linux): hidden folders are empty, most others read-only.

Runs in the launcher, before numpy or torch start threads, and imports the standard library alone.
"""

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from uad_bench.execution.linux import check, drop_privileges, libc

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
OPTIONS = {"ro": MS_RDONLY, "nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC}
MASK = b"size=64k,mode=755"
PROC = "/proc"
OCTAL = re.compile(r"\\([0-7]{3})")


def enter(access: Mapping[str, list[str]]) -> None:
    """Move this process into namespaces of its own, in which `access` holds; children get PIDs of their own.

    Raises:
        OSError: the kernel does not allow it.
    """
    _unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    hidden, writable = set(access["hidden"]), set(access["writable"])
    kept = {path: os.open(path, os.O_PATH) for path in {*access["read_only"], *writable} - hidden if _exists(path)}
    for place, flags in _mounts():
        with contextlib.suppress(OSError):  # covered by another mount
            _mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)
    masked = []
    for place in sorted({*hidden, *kept}):  # a folder sorts before what lies in it
        if place in kept:
            _bind(kept[place], place, writable=place in writable)
            os.close(kept[place])
        elif _exists(place):  # else it is gone, or lies in a mask
            _mask(place)
            masked.append(place)
    for place in filter(os.path.isdir, masked):  # only now, because the places that are kept had to be made in them
        _mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    _reopen_working_folder()


def lock() -> None:
    """In the first process of the new PID namespace: a /proc of its own, and no way to undo any of this."""
    with contextlib.suppress(OSError):  # not where a container masks parts of /proc; then namespaces protect other PIDs
        _mount("proc", PROC, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _unshare(CLONE_NEWUSER | CLONE_NEWNS)
    _mount(None, PROC, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    drop_privileges()


def _unshare(flags: int) -> None:
    """Leave these namespaces for new ones, as the same user."""
    uid, gid = os.geteuid(), os.getegid()
    check(libc().unshare(flags), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def _mounts() -> Iterator[tuple[str, int]]:
    """Mount points and their flags, but for /proc, which is still written to."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, _, _, _, place, options, *_ = line.split(" ")
        place = OCTAL.sub(lambda found: chr(int(found[1], 8)), place)
        if place != PROC:
            yield place, sum(OPTIONS.get(option, 0) for option in options.split(","))


def _mask(place: str) -> None:
    """Cover a folder with an empty one, a file with an empty file."""
    if os.path.isdir(place):  # noqa: PTH112
        _mount("none", place, "tmpfs", MS_NOSUID | MS_NODEV, MASK)
    else:
        _mount(os.devnull, place, None, MS_BIND)


def _bind(descriptor: int, place: str, *, writable: bool) -> None:
    """Show a folder or file that is held open at its old place, which may lie in a mask."""
    held = f"/proc/self/fd/{descriptor}"
    if not _exists(place):
        folder = place if os.path.isdir(held) else os.path.dirname(place)  # noqa: PTH112, PTH120
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        if folder != place:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
    _mount(held, place, None, MS_BIND | MS_REC)
    flags = os.statvfs(place).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    with contextlib.suppress(PermissionError):  # what was read-only before stays so
        _mount(None, place, None, MS_REMOUNT | MS_BIND | flags | (0 if writable else MS_RDONLY))


def _reopen_working_folder() -> None:
    """Names relative to the working folder would still lead below the masks."""
    try:
        os.chdir(os.getcwd())  # noqa: PTH109
    except OSError:
        os.chdir("/")


def _mount(source: str | None, place: str, kind: str | None, flags: int, data: bytes | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, place, kind)]
    check(libc().mount(*words, ctypes.c_ulong(flags), data), f"mount {place}")


def _exists(place: str) -> bool:
    return os.path.lexists(place)
