"""One training on several machines that share the runs folder, the cache and the data.

The same command runs on every machine. The first one prepares, evaluates and records as usual; the others run their
ranks of the method's process, which meet those of the first.
"""

import os
import subprocess
import time
from dataclasses import dataclass

from uad_bench.benchmark.started import access_for
from uad_bench.console import Reporter
from uad_bench.errors import ConfigError
from uad_bench.execution.isolation import WorkerProcess
from uad_bench.execution.job import Job
from uad_bench.execution.stages import Assignment
from uad_bench.runs.trust import unscored

NODE, RENDEZVOUS = "UAD_BENCH_NODE", "UAD_BENCH_RENDEZVOUS"
FIRST_PORT, PORTS = 20_000, 20_000
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Node:
    """This machine's number of `total`, and `host:port` of the first machine, where their launchers meet."""

    number: int = 0
    total: int = 1
    rendezvous: str = ""

    @property
    def leads(self) -> bool:
        """Whether this machine prepares, evaluates and records."""
        return self.number == 0


ALONE = Node()


def this_node(total: int) -> Node | None:
    """This machine's place among `total`, from Slurm or the environment; None outside a job of so many machines."""
    if total == 1:
        return ALONE
    if NODE in os.environ and RENDEZVOUS in os.environ:
        return Node(int(os.environ[NODE]), total, os.environ[RENDEZVOUS])
    if os.environ.get("SLURM_NNODES") != str(total) or "SLURM_NODEID" not in os.environ:
        return None
    hosts = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    first = subprocess.run(hosts, capture_output=True, text=True, check=True).stdout.split()[0]
    port = FIRST_PORT + 2 * int(os.environ["SLURM_JOB_ID"]) % PORTS
    return Node(int(os.environ["SLURM_NODEID"]), total, f"{first}:{port}")


def require_node(total: int, *, folds: int) -> Node:
    """This machine's place among `total`.

    Raises:
        ConfigError: there is none, or folds are to be trained.
    """
    if (node := this_node(total)) is None:
        raise ConfigError(
            f"--nodes {total}: this is not one of {total} machines of a Slurm job; submit one with uad-bench run, or "
            f"set {NODE} (0 to {total - 1}) and {RENDEZVOUS} (host:port of the first) on each machine"
        )
    if total > 1 and folds:
        raise ConfigError("--nodes trains one model; run the folds of --folds on one machine each, in a suite")
    return node


def follow(job: Job, node: Node, *, ranks: int, reporter: Reporter) -> None:
    """Run this machine's ranks of a job that the first machine runs.

    Raises:
        MethodError: a rank failed; the first machine records it.
    """
    run = job.run
    if run.finished or (run.manifest.exists() and not unscored(run, (*job.split.val, *job.split.test))):
        return
    reporter.start(f"machine {node.number} of {node.total}: waiting for the first")
    while not run.experiment.exists():
        time.sleep(POLL_S)
    folder, subjects = run.path.resolve(), job.cohort.subjects.values()
    access = access_for(job.experiment, job.entry, subjects, root=run.path.parents[2], folders=[folder])
    assignment = Assignment(
        run=str(folder), device=job.device, ranks=ranks, nodes=node.total, node=node.number, rendezvous=node.rendezvous
    )
    with WorkerProcess(job.entry, run.path / f"node{node.number}.log", access=access) as worker:
        worker.describe(dict(job.experiment.params), job.cohort.task.pair)
        for _ in worker.work(assignment):
            pass
