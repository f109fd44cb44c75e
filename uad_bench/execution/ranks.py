"""Runs one assignment on several ranks: the method's process is rank 0 and starts the other ranks.

All ranks are in its process group, receive the same requests, and end with it. Rank 0 relays their events to the
harness.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from uad_bench.execution.messages import Done, Failure, parse_message
from uad_bench.execution.stages import Assignment, Emit
from uad_bench.runs.events import LabelAccess, Remark, Scored

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

HOST = "127.0.0.1"
PATIENCE = timedelta(hours=1)
"""Longest wait of one rank for another, e.g. while it scores a subject."""


@contextmanager
def joined(assignment: Assignment, asked: dict[str, Any], emit: Emit) -> Iterator[Assignment]:
    """Join the assignment's process group; rank 0 starts all others.

    Yields:
        the assignment with this rank's device.
    """
    if assignment.ranks == 1:
        yield assignment
        return
    import torch
    import torch.distributed as dist

    store = _meet(assignment)
    others = range(1, assignment.ranks) if assignment.rank == 0 else ()
    relays = [_start(asked, replace(assignment, rank=rank, meeting=store.port), emit) for rank in others]
    cuda = assignment.device == "cuda"
    if cuda:
        torch.cuda.set_device(assignment.rank)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // assignment.ranks))
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=store, rank=assignment.rank, world_size=assignment.ranks, timeout=PATIENCE)
    try:
        yield replace(assignment, device=f"cuda:{assignment.rank}" if cuda else assignment.device)
        dist.barrier()
    finally:
        dist.destroy_process_group()
    for relay in relays:
        relay.join()  # the last events of other ranks may still be in the pipe


def _meet(assignment: Assignment) -> TCPStore:
    """The store through which ranks connect; rank 0 opens a free port on this machine."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    leads = assignment.rank == 0
    return TCPStore(
        HOST, assignment.meeting, assignment.ranks, is_master=leads, timeout=PATIENCE, wait_for_workers=False
    )


def _start(asked: dict[str, Any], assignment: Assignment, emit: Emit) -> threading.Thread:
    """Start a rank with the same requests; returns the thread that relays its events until it ends."""
    from uad_bench.execution.isolation import command_of_worker

    events, write_end = os.pipe()
    process = subprocess.Popen(command_of_worker(write_end), stdin=subprocess.PIPE, pass_fds=(write_end,))
    os.close(write_end)
    assert process.stdin is not None
    for request in (asked, asdict(assignment)):
        process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    parts = (process, os.fdopen(events, "rb"), assignment.rank, emit)
    relay = threading.Thread(target=_relay, args=parts, daemon=True)
    relay.start()
    return relay


def _relay(process: subprocess.Popen[bytes], events: IO[bytes], rank: int, emit: Emit) -> None:
    """Relay the events of a rank; the run fails if the rank exits before its work is done."""
    for line in events:
        event = parse_message(line)
        if isinstance(event, Done):
            return
        if isinstance(event, Scored | Remark | LabelAccess | Failure):
            emit(event)
    message = f"rank {rank} ended early with exit code {process.wait()}"
    emit(Failure(kind="MethodError", message=message, reason="crash"))
