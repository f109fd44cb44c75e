"""Groups of processes: counted, measured and ended together."""

import subprocess
import sys

import pytest

from uad_bench.execution.processes import _members, count_oom_kills, end_group, group_rss_mib


@pytest.fixture
def started():
    """Starts Python in a group of its own and waits for its first line."""
    processes = []

    def start(code: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-S", "-c", code]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))
        processes[-1].stdout.readline()
        return processes[-1]

    yield start
    for process in processes:
        end_group(process, grace_s=1)
        process.stdout.close()


def test_memory_of_a_group_counts_what_its_members_hold(started):
    process = started("x = bytearray(b'x') * (64 << 20); print(flush=True); import time; time.sleep(600)")
    assert 64 <= group_rss_mib(process.pid) < 128


def test_a_group_that_ignores_requests_is_ended_with_its_children(started):
    code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.fork(); print(flush=True); time.sleep(600)"
    process = started(code)
    end_group(process, grace_s=0.1)
    assert not list(_members(process.pid))
    assert process.returncode == -9


def test_a_group_whose_leader_is_gone_loses_its_children_too(started):
    code = "import os, time\nif os.fork(): print(flush=True); os._exit(0)\ntime.sleep(600)"
    process = started(code)
    process.wait()
    assert list(_members(process.pid))
    end_group(process)
    assert not list(_members(process.pid))


def test_a_group_of_nobody_holds_nothing():
    assert group_rss_mib(2**22 + 1) == 0


def test_kills_by_the_kernel_are_counted_and_never_negative():
    assert count_oom_kills() >= 0
