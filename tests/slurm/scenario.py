"""What a suite must do on a real Slurm: run as an array, survive a planned failure, and resume after a preemption."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "methods")]

from tests.tiny_bench import TASK, write_patients  # noqa: E402 - the checkout need not be installed

PATIENCE_S = 240
METHODS = '''
import dataclasses, pathlib, time
import torch
from uad_bench.method import Budget, Modalities

HERE = pathlib.Path("{folder}")

@dataclasses.dataclass
class Good:
    @property
    def modalities(self):
        return Modalities(fit=("flair",), score=("flair",))

    def fit(self, train, *, budget, compute):
        return self

    def score(self, batch):
        return batch.image[:, 0]

    def state_dict(self):
        return {{}}

    def load_state_dict(self, state, *, compute):
        return self

class Bad(Good):
    def score(self, batch):
        if not (HERE / "repaired").exists():
            raise RuntimeError("planned failure")
        return batch.image[:, 0]

class Slow(Good):
    """Notes every step that it does; waits at step 3 until it may go on."""

    def fit(self, train, *, budget, compute):
        kept = compute.snapshots.load("steps") or {{"step": torch.tensor(0)}}
        for step in range(int(kept["step"]), 6):
            while step == 3 and not (HERE / "go").exists():
                time.sleep(0.1)
            with (HERE / "steps").open("a") as log:
                log.write(f"{{step}}\\n")
            compute.snapshots.save("steps", {{"step": torch.tensor(step + 1)}})
        return self

METHODS = {{"good": Good, "bad": Bad, "slow": Slow}}
'''
SUITE = """
methods = ["good", "bad", "slow"]
tasks = ["{folder}/small.toml"]
baselines = false

[slurm]
timeout_min = 10
cpus_per_task = 1
slurm_partition = "main"
slurm_array_parallelism = 2
slurm_additional_parameters = {{ requeue = true }}
"""


class Cluster:
    """Runs `uad-bench suite` on the cluster, and looks at what became of the cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.data = write_patients(self.folder / "cohort")
        (self.folder / "plugin.py").write_text(METHODS.format(folder=self.folder))
        (self.folder / "small.toml").write_text(TASK)
        (self.folder / "matrix.toml").write_text(SUITE.format(folder=self.folder))
        os.environ |= {"UAD_BENCH_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        os.environ["PYTHONPATH"] = f"{ROOT}:{ROOT / 'methods'}"

    def suite(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "uad_bench", "suite", verb, str(self.folder / "matrix.toml")]
        where = ["--runs", str(self.folder / "runs")]
        with_data = ["--data", str(self.data), "--plugin", str(self.folder / "plugin.py")] if verb != "cancel" else []
        return subprocess.run([*command, *where, *with_data, *options], capture_output=True, text=True, check=False)

    def cells(self) -> dict[str, dict[str, str]]:
        document = json.loads(self.suite("status", "--json").stdout)
        return {cell["cell"].split("-")[1]: cell for cell in document["cells"]}

    def states(self) -> dict[str, str]:
        return {name: cell["state"] for name, cell in self.cells().items()}

    def steps(self) -> list[int]:
        file = self.folder / "steps"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def job_of(self, cell: str) -> str:
        jobs = json.loads((self.folder / "runs" / ".suites" / "matrix" / "jobs.json").read_text())
        return next(job for name, job in jobs.items() if f"-{cell}-" in name)


def wait(what: str, reached: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            jobs = slurm("squeue") + slurm("scontrol", "show", "job")
            raise SystemExit(f"FAILED: waited {PATIENCE_S} s for this: {what}\n{jobs}")
        time.sleep(1)
    print(f"ok: {what}", flush=True)


def check(what: str, so: bool) -> None:
    """Stop with a sentence unless it is so."""
    if not so:
        raise SystemExit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def main(folder: Path) -> None:
    cluster = Cluster(folder)
    done = cluster.suite("run", "--executor", "slurm")
    check(f"three cells are queued: {done.stderr.strip().splitlines()[-1:]}", done.returncode == 0)
    wait("the array ends in one result and one planned failure", lambda: settled(cluster))
    check("the failed cell has its reason and its log", "planned failure" in cluster.suite("status").stdout)
    check("its log is a file", Path(cluster.cells()["bad"]["log"]).is_file())
    check("queued cells are not queued twice", "queued as" not in cluster.suite("run", "--executor", "slurm").stderr)

    wait("the slow cell waits in the middle of its training", lambda: cluster.steps() == [0, 1, 2])
    script = ["--exclusive", "--output=/dev/null", "--wrap=sleep 3"]
    urgent = slurm("sbatch", "--parsable", "--partition=urgent", *script).strip()
    queue_again(cluster, "the scheduler takes the node away for an urgent job")
    wait("the urgent job is done", lambda: urgent not in slurm("squeue", "--noheader", "--format=%i").split())
    wait("the cell runs again", lambda: cluster.states()["slow"] == "running")
    slurm("scancel", "--signal=USR2", cluster.job_of("slow"))
    queue_again(cluster, "the cell is warned that its time is up, and queues itself again")
    (cluster.folder / "go").touch()
    wait("the preempted cell ends", lambda: cluster.states()["slow"] == "done")
    check(f"it went on with step 3, and did no step twice: {cluster.steps()}", cluster.steps() == list(range(6)))

    (cluster.folder / "repaired").touch()
    cluster.suite("run", "--executor", "slurm", "--retry-failed")
    wait("a repaired cell is done when asked to retry", lambda: set(cluster.states().values()) == {"done"})
    again = cluster.suite("run", "--executor", "slurm")
    check("a finished suite queues nothing", again.returncode == 0 and "queued as" not in again.stderr)


def settled(cluster: Cluster) -> bool:
    states = cluster.states()
    return (states["good"], states["bad"]) == ("done", "failed")


def queue_again(cluster: Cluster, why: str) -> None:
    """Wait until the slow cell's job is queued again, and spare it the two minutes for which Slurm holds it back."""
    job = cluster.job_of("slow")
    wait(why, lambda: "PENDING" in slurm("squeue", "--noheader", "--array", "--format=%T", f"--jobs={job}"))
    check("no process of the cell is left", cluster.states()["slow"] == "queued")
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
