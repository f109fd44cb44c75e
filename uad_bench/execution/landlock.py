"""Landlock (Linux 5.13 and later): takes rights away from this process and all it starts, compiled code included.

Landlock allows by folder and cannot carve a folder out of another. So every entry beside what is hidden is allowed by
name, down from the root; files that appear later beside it stay out of reach. Names may be listed everywhere.

Runs in the launcher, before numpy or torch start threads, and imports the standard library alone.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable, Iterator, Mapping

from uad_bench.execution.linux import check, drop_privileges, libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_VERSION, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_BLOCK = 1, 2, 4, 8, 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of file system rights that each version knows, those of the versions before included."""
SCOPES, FIRST_WITH_SCOPES = 3, 6  # abstract sockets and signals of processes outside


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    return max(0, int(libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_VERSION)))


def restrict(access: Mapping[str, list[str]]) -> None:
    """Restrict this process for good.

    Raises:
        OSError: the kernel does not allow it.
    """
    abi = version()
    known = (1 << max((n for first, n in RIGHTS_BY_ABI.items() if first <= abi), default=0)) - 1
    read, write = known & (EXECUTE | READ_FILE | READ_DIR | IOCTL_DEV), known & ~(MAKE_CHAR | MAKE_BLOCK)
    ruleset = _create(known, SCOPES if abi >= FIRST_WITH_SCOPES else 0)
    _allow(ruleset, "/", READ_DIR)
    for place, writable in visible_places(access):
        _allow(ruleset, place, write if writable else read)
    drop_privileges()
    check(libc().syscall(RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def visible_places(access: Mapping[str, list[str]]) -> Iterator[tuple[str, bool]]:
    """The outermost folders and files that hold nothing hidden, and whether they may be written to."""
    hidden, writable = set(access["hidden"]), set(access["writable"])
    around = set(_parents(hidden))
    for place in ("/", *sorted({*access["read_only"], *writable} - hidden)):
        if place in around:
            yield from _beside(place, hidden, around, writable, may_write=place in writable)
        else:
            yield place, place in writable


def _beside(
    folder: str, hidden: set[str], around: set[str], writable: set[str], *, may_write: bool
) -> Iterator[tuple[str, bool]]:
    """What lies in a folder around hidden ones, and in the folders between."""
    for place in _entries(folder):
        if place in around and place not in hidden:
            yield from _beside(place, hidden, around, writable, may_write=may_write or place in writable)
        elif place not in hidden:
            yield place, may_write


def _parents(places: Iterable[str]) -> Iterator[str]:
    """The root and all folders around these places."""
    yield "/"
    for place in places:
        while place != "/":
            place = os.path.dirname(place)  # noqa: PTH120, PLW2901 - plain text throughout
            yield place


def _entries(folder: str) -> list[str]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if not entry.is_symlink())
    return []


def _create(rights: int, scopes: int) -> int:
    """A new ruleset; what it does not allow is refused."""
    attributes, size = (ctypes.c_uint64 * 3)(rights, 0, scopes), ctypes.c_size_t(24 if scopes else 8)
    return check(libc().syscall(CREATE_RULESET, attributes, size, 0), "landlock_create_ruleset")


def _allow(ruleset: int, place: str, rights: int) -> None:
    """Allow these rights on a place and all below it; one that has gone meanwhile is left out."""
    try:
        descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
    attributes = _PathBeneath(rights, descriptor)
    check(libc().syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(attributes), 0), f"landlock_add_rule {place}")
    os.close(descriptor)


class _PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`, packed as the kernel has it."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))
