"""Two processes that share a training end where one ends, and share the scoring of its patients."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.tiny_bench import TinyBench, result_files
from uad_bench.distributed import WorkerGroup, backward, current_group, divided

TOLERANCES = {"dae": 1e-6, "ddpm": 1e-6, "mmccd": 1e-6, "ae": 1e-4, "vae": 1e-4}
"""Of scores, relative to the highest, after four steps in float32. A bias before batch normalisation has a gradient of
zero but for rounding, of which Adam makes a full step; so AE and VAE differ by more, though not in what they say."""
LEARNS = "import torch; self.mean_ = torch.stack([train[i].image.mean() for i in range(len(train))]).mean()"
DIES = """
    import os, time, torch.distributed as dist
    if dist.get_rank() == 1: os._exit(7)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def differences() -> dict[str, float]:
    """How far the results of two ranks are from those of one process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).parent / "two_ranks.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen([*command, str(rank), str(port)], stdout=subprocess.PIPE, env=environment) for rank in (0, 1)
    ]
    said = [rank.communicate()[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    return json.loads(said[0])


def test_both_ranks_hold_the_same_bits(differences):
    assert differences["size"] == 2
    assert differences["between ranks"] == 0.0


def test_gradients_are_those_of_the_whole_batch(differences):
    assert differences["gradients"] < 1e-5  # float32 sums over the slices in another order


def test_trained_parameters_are_those_of_one_process_although_slices_share_dropout_and_statistics(differences):
    assert differences["everything"] < 1e-9  # float64, six steps; Adam divides small gradients by their own size


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_method_scores_as_if_it_had_been_trained_by_one_process(differences, name):
    assert differences[name] < TOLERANCES[name]


@given(n=st.integers(0, 100), size=st.integers(1, 9))
def test_the_parts_of_a_team_are_everything_once_and_nearly_equal(n, size):
    parts = [range(n)[WorkerGroup(rank, size).part(n)] for rank in range(size)]
    assert [i for part in parts for i in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_alone_divides_nothing():
    network = nn.Linear(3, 3)
    with divided(network, n=1) as group:
        assert group == current_group() == WorkerGroup(0, 1)
        assert not network._forward_hooks
    loss = network(torch.ones(1, 3)).square().sum()
    backward(loss, network, group)
    shared = [w.grad.clone() for w in network.parameters()]
    network.zero_grad()
    network(torch.ones(1, 3)).square().sum().backward()
    assert all(torch.equal(a, b.grad) for a, b in zip(shared, network.parameters(), strict=True))


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
def test_a_rank_that_dies_fails_the_run_with_a_reason(tiny: TinyBench):
    entry = tiny.write("dying", fit=DIES)
    record = on_ranks(tiny, 2).run(entry)
    assert (record["status"], record["reason"]) == ("failed", "crash")
    assert "rank 1 ended early with exit code 7" in record["message"]


def on_ranks(tiny: TinyBench, ranks: int) -> TinyBench:
    """The same bench with so many processes a run, and a runs folder of its own."""
    other = TinyBench(tiny.cohort, tiny.folder)
    other.runner = replace(tiny.runner, ranks=ranks, root=tiny.folder / f"runs-{ranks}")
    return other
