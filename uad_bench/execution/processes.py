"""Process groups: who lives in one, what they hold in memory, and their end. Reads /proc; elsewhere it knows less."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 5.0
PROC = Path("/proc")


def group_rss_mib(group: int) -> float:
    """Memory in MiB that a group holds for itself: mapped files are left out, because the kernel can drop them."""
    return sum(map(_own_kib, _members(group))) / 1024


def end_group(process: subprocess.Popen[bytes], *, grace_s: float = GRACE_S) -> None:
    """Ask a group and its leader to end, then make them; nothing of the group is alive afterwards."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _signal(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    deadline = time.monotonic() + grace_s
    while any(_members(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)


def count_oom_kills() -> int:
    """Processes that the kernel has ended for want of memory since the machine started; 0 where it does not say."""
    try:
        lines = (PROC / "vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _members(group: int) -> Iterator[Path]:
    """The /proc folders of the group's processes that are not dead."""
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, member_of, *_ = stat.read_text().rpartition(")")[2].split()
            if int(member_of) == group and state not in "ZX":
                yield stat.parent


def _own_kib(process: Path) -> int:
    """Anonymous and shared memory of one process."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
