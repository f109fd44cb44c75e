"""Isolation by the Linux kernel, of this process and all it starts, compiled code included: Landlock, or namespaces.

Landlock allows by folder and cannot carve a folder out of another. So every entry beside what is hidden is allowed by
name, down from the root; files that appear later beside it stay out of reach. Names may be listed everywhere.

Runs in the launcher, before numpy or torch start threads, and imports the standard library alone.
"""

import contextlib
import ctypes
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522


def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def check(result: int, call: str) -> int:
    """Return the result of a system call.

    Raises:
        OSError: the result is negative.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def set_process_option(option: int, value: int) -> None:
    """Call `prctl(option, value)`."""
    check(libc().prctl(option, ctypes.c_ulong(value), *3 * [ctypes.c_ulong(0)]), f"prctl {option}")


def drop_privileges() -> None:
    """Drop all capabilities, and prevent gaining any by executing another program."""
    for capability in range(LAST_CAPABILITY + 1):
        libc().prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), *3 * [ctypes.c_ulong(0)])
    set_process_option(PR_SET_NO_NEW_PRIVS, 1)
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    check(libc().capset(header, nothing), "capset")


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
