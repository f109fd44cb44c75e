"""Training that begins with another run's weights."""

import json
from pathlib import Path

import pytest
import torch

from tests.tiny_bench import TinyBench, gather_tiny
from uad_bench.errors import ConfigError, LeakError
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import load_checkpoint
from uad_bench.runs.folder import Run
from uad_bench.runs.origin import Origin

NETWORK = {
    "top": "import math, torch\nfrom uad_bench import training\n"
    "training.SNAPSHOT_SECONDS, training.SNAPSHOT_SHARE = 0.0, math.inf",
    "fit": """
        self.networks_ = {"net": torch.nn.Conv2d(1, 1, 3, padding=1)}
        training.train(
            self.networks_["net"],
            lambda batch, noise: ((self.networks_["net"](batch.image) - batch.image) ** 2).mean(),
            train,
            name="net",
            budget=budget,
            compute=compute,
            optimisation=training.Optimisation(learning_rate=1e-3 * self.scale),
        )
    """,
    "score": "return (self.networks_['net'](batch.image) - batch.image)[:, 0].detach().abs()",
    "state": "return self.networks_['net'].state_dict()",
    "load": """
        self.networks_ = {"net": torch.nn.Conv2d(1, 1, 3, padding=1)}
        self.networks_["net"].load_state_dict(state)
    """,
}
NO_RATE = ("scale=0",)


@pytest.fixture
def entry(quick: TinyBench) -> Entry:
    return quick.finished("network", **NETWORK)


def go_on(quick: TinyBench, entry: Entry, origin: Run, settings: tuple[str, ...] = ()) -> tuple[dict, Run]:
    experiment = quick.experiment(entry.name, 0, settings)
    job = quick.runner.plan(experiment, entry, quick.cohort, Origin.of(origin, further=True))
    return quick.runner.run(job).to_json(), job.run


def test_training_at_no_rate_ends_with_the_weights_it_began_with(quick: TinyBench, entry: Entry):
    first = quick.folder_of(entry)
    record, run = go_on(quick, entry, first, NO_RATE)
    assert record["status"] == "ok"
    before, after = load_checkpoint(first.checkpoint), load_checkpoint(run.checkpoint)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_training_goes_on_from_there(quick: TinyBench, entry: Entry):
    first = quick.folder_of(entry)
    record, run = go_on(quick, entry, first)
    assert record["method"]["weights"] == {
        "run": "/".join(first.path.parts[-3:]),
        "checkpoint": json.loads(first.checkpoint.with_suffix(".json").read_text())["sha256"],
        "further": True,
    }
    assert run.checkpoint.read_bytes() != first.checkpoint.read_bytes()
    assert [event.event for event in run.read_events()].count("fit") == 1
    assert not run.snapshots.exists()


def test_it_is_another_run_than_one_that_starts_from_nothing(quick: TinyBench, entry: Entry):
    _, run = go_on(quick, entry, quick.folder_of(entry))
    assert run.path != quick.folder_of(entry).path


def test_the_new_weights_know_everybody_whom_the_old_ones_knew(quick: TinyBench, entry: Entry):
    first = quick.folder_of(entry)
    description = first.checkpoint.with_suffix(".json")
    said = json.loads(description.read_text())
    description.write_text(json.dumps({**said, "training_set": {"somebody": ["aa"]}}))
    _, run = go_on(quick, entry, first)
    known = json.loads(run.checkpoint.with_suffix(".json").read_text())["training_set"]
    assert set(known) == {"somebody", *quick.cohort.splits[0].train}


def test_weights_that_know_a_patient_who_is_judged_are_refused_before_anything_starts(
    quick: TinyBench, entry: Entry, tiny_data: Path
):
    first = quick.folder_of(entry)
    quick.cohort = gather_tiny(tiny_data, folds=2)
    with pytest.raises(LeakError, match="the checkpoint was trained on"):
        go_on(quick, entry, first)
    assert len(list(first.path.parent.iterdir())) == 1


def test_an_interrupted_training_goes_on_from_its_own_snapshot(quick: TinyBench, entry: Entry, tmp_path: Path):
    first = quick.folder_of(entry)
    _, whole = go_on(quick, entry, first)
    gate = tmp_path / "gate"
    stopping = NETWORK["fit"].replace("train,\n            name", "Gated(train),\n            name")
    top = f"""
{NETWORK["top"]}
import pathlib
class Gated:
    def __init__(self, train): self.train, self.taken = train, 0
    def __len__(self): return len(self.train)
    def take(self, indices):
        self.taken += 1
        if self.taken > 3: pathlib.Path({str(gate)!r}).stat()
        return self.train.take(indices)
"""
    other = quick.write("stopping", **{**NETWORK, "top": top, "fit": stopping})
    record, run = go_on(quick, other, first)
    assert record["reason"] == "crash"
    assert [path.name for path in run.snapshots.iterdir() if path.name == "net.safetensors"]
    gate.touch()
    record, run = go_on(quick, other, first)
    assert record["status"] == "ok"
    assert run.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def test_weights_of_another_shape_fail_with_a_reason(quick: TinyBench, entry: Entry):
    wide = {part: text.replace("1, 1, 3, padding=1", "1, 1, 5, padding=2") for part, text in NETWORK.items()}
    record, _ = go_on(quick, quick.write("wide", **wide), quick.folder_of(entry))
    assert (record["status"], record["reason"]) == ("failed", "bad_checkpoint")


@pytest.mark.parametrize(
    "parts",
    [
        {"state": "import torch; return {'a': torch.ones(1)}"},
        {"fit": "self.networks_ = {}", "load": "import torch; self.networks_ = {'net': torch.nn.Conv2d(1, 1, 3)}"},
    ],
    ids=["keeps no networks", "trains without looking"],
)
def test_a_method_that_cannot_start_from_weights_says_so_instead_of_starting_from_nothing(
    quick: TinyBench, parts: dict[str, str]
):
    entry = quick.write("aloof", **parts)
    quick.run(entry)
    record, _ = go_on(quick, entry, quick.folder_of(entry))
    assert (record["status"], record["reason"]) == ("failed", "no_warm_start")


def test_a_run_with_folds_has_no_weights_of_its_own(quick: TinyBench, entry: Entry, tiny_data: Path):
    quick.cohort = gather_tiny(tiny_data, folds=2)
    quick.run(entry)
    with pytest.raises(ConfigError, match=r"name one fold, such as .*fold0"):
        Origin.of(quick.folder_of(entry), further=True)
