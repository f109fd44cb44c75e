"""Memory use and termination of a process group and its descendants, found in /proc."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GRACE_S = 5.0
PROC = Path("/proc")
GONE = contextlib.suppress(ProcessLookupError, PermissionError)


def group_rss_mib(leader: int) -> float:
    """Anonymous and shared memory in MiB of a leader's group and all descendants, even those that left the group.

    Mapped files are not counted, because the kernel can reclaim them.
    """
    return sum(map(_own_kib, _members(leader))) / 1024


def end_group(process: subprocess.Popen[bytes], *, grace_s: float = GRACE_S) -> None:
    """Terminate a leader, its group and all descendants; those still alive after `grace_s` are killed."""
    if process.poll() is None:
        with GONE:
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    deadline = time.monotonic() + GRACE_S
    while (members := list(_members(process.pid))) and time.monotonic() < deadline:
        others = [pid for pid in members if pid != process.pid]
        for pid in others or members:  # the leader last, because descendants are found through it
            with GONE:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        process.poll()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)


def count_oom_kills() -> int:
    """Number of processes killed by the kernel's out-of-memory killer since boot; 0 if unknown."""
    try:
        lines = (PROC / "vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _members(leader: int) -> Iterator[int]:
    """Live processes of the leader's group, and all their descendants."""
    living, family = list(_living()), set[int]()
    while found := {p.pid for p in living if p.group == leader or p.parent in family} - family:
        family |= found
    yield from family


class _Process(NamedTuple):
    pid: int
    parent: int
    group: int


def _living() -> Iterator[_Process]:
    """All processes except zombies."""
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent, group, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if state not in "ZX":
                yield _Process(int(stat.parent.name), int(parent), int(group))


def _own_kib(pid: int) -> int:
    """Anonymous and shared memory of one process, in KiB."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
