"""Runs one assignment on several ranks, of one or more machines, under torch's elastic launcher.

The method's process becomes the launcher: it meets the launchers of other machines, starts a process per rank, and ends
all of them when one fails. The first machine's launcher keeps a store, from which every rank reads the assignment and
to which it writes its events; the launcher passes them on to the harness.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from uad_bench.execution.messages import Failure, parse_message
from uad_bench.execution.stages import Assignment, Emit
from uad_bench.runs.events import Advance, Event

LOOPBACK = "127.0.0.1"
PATIENCE = timedelta(days=7)  # longest wait of one rank for another, e.g. while it scores a subject
GRACE_S = 1.0  # before a rank says why it failed: the cause may be another rank that ended without a word
EVENT, FAILURE, ASSIGNMENT, LAST = "event", "failure", "assignment", "-"
connect = partial(TCPStore, timeout=PATIENCE, wait_for_workers=False)


def launch(run_rank: Callable[..., Failure | None], asked: dict[str, Any], assignment: Assignment, emit: Emit) -> None:
    """Start this machine's ranks and wait for them; the first machine's launcher also emits the events of all ranks.

    Each rank calls `run_rank(asked, assignment, emit)`, which returns why it failed, if it did.
    """
    alone, leads = assignment.nodes == 1, assignment.node == 0
    if alone and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    host, _, port = (assignment.rendezvous or f"{LOOPBACK}:0").rpartition(":")
    store = connect(host, 0 if alone else int(port) + 1, is_master=leads)
    relay = threading.Thread(target=_relay, args=(store, emit), daemon=True)
    if leads:
        store.set(ASSIGNMENT, json.dumps(asdict(assignment)))
        relay.start()
    config = LaunchConfig(
        min_nodes=assignment.nodes,
        max_nodes=assignment.nodes,
        nproc_per_node=assignment.ranks,
        run_id=Path(assignment.run).name,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{host}:{port}",
        rdzv_configs={"is_host": leads, "timeout": PATIENCE.total_seconds()},
        local_addr=f"127.0.0.{assignment.node + 1}" if host == LOOPBACK else None,  # launchers are told apart by it
        max_restarts=0,
    )
    failure: Event | None = None
    try:
        elastic_launch(config, _start_rank)(run_rank, asked, host, store.port)
    except ChildFailedError as error:
        rank, ended = error.get_first_failure()
        message = f"rank {rank} ended early with exit code {ended.exitcode} (negative: by that signal)"
        failure = Failure(kind="MethodError", message=f"{message}; the same command resumes the run", reason="crash")
        with suppress(RuntimeError):  # the first machine is gone
            failure = _fail(store, failure)
    if leads:
        _send(store, LAST)
        relay.join()  # the last events may still be in the store
    if failure:
        emit(failure)


def _start_rank(run_rank: Callable[..., Failure | None], asked: dict[str, Any], host: str, port: int) -> None:
    """One rank: what the launcher starts in a process of its own."""
    store, rank = connect(host, port, is_master=False), int(os.environ["RANK"])

    def emit(event: Event) -> None:
        if rank == 0 or not isinstance(event, Advance):
            _send(store, json.dumps(event.to_json()))

    assignment = Assignment(**json.loads(store.get(ASSIGNMENT)))
    if failure := run_rank(asked, replace(assignment, rank=rank), emit):
        time.sleep(GRACE_S)
        _fail(store, failure)
        sys.exit(1)


@contextmanager
def joined(assignment: Assignment) -> Iterator[Assignment]:
    """Context in the process group that the launcher has prepared; yields the assignment with this rank's device."""
    cuda, local = assignment.device == "cuda", int(os.environ["LOCAL_RANK"])
    if cuda:
        torch.cuda.set_device(local)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // assignment.ranks))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield replace(assignment, device=f"cuda:{local}" if cuda else assignment.device)
        dist.barrier()
    finally:
        dist.destroy_process_group()


def _send(store: TCPStore, line: str) -> None:
    store.set(f"{EVENT}{store.add(EVENT, 1)}", line)


def _fail(store: TCPStore, failure: Failure) -> Event:
    """Record a failure, unless another came first, of which it may be a consequence; returns the first."""
    return parse_message(store.compare_set(FAILURE, "", json.dumps(failure.to_json())))


def _relay(store: TCPStore, emit: Emit) -> None:
    """Emit the events of all ranks in the order in which they were sent."""
    own = connect(store.host, store.port, is_master=False)  # waiting blocks all other use of a connection
    for number in count(1):
        line = own.get(f"{EVENT}{number}").decode()
        own.delete_key(f"{EVENT}{number}")
        if line == LAST:
            return
        emit(parse_message(line))
