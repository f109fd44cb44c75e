"""Weights of the step that finds implanted anomalies best: from the request to the record."""

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.execution.test_warm_start import NETWORK
from tests.tiny_bench import TinyBench, gather_tiny
from uad_bench.benchmark.started import check_selectable
from uad_bench.errors import ConfigError, MethodError
from uad_bench.execution.implant_selector import ImplantSelector
from uad_bench.execution.stages import describe_method
from uad_bench.method import Budget, Compute, SliceBatch
from uad_bench.plugins.registry import methods, problem_of
from uad_bench.runs.integrity import check_events
from uad_bench.testing.slices import healthy_slices
from uad_methods.nn.unet import UNetShape

UNSUPPORTED = {"itermask2": "cannot score before fit ends", "patchcore": "did not train every network"}
"""Of the methods that are trained on slices and keep networks, as docs/selecting-weights.md lists them."""
SMALL = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)


def select(quick: TinyBench, entry, every: int | None = 2, seed: int = 0):
    job = quick.runner.plan(replace(quick.experiment(entry.name, seed), select=every), entry, quick.cohort)
    return quick.runner.run(job), job


def test_the_curve_and_the_patients_are_in_the_record_and_the_method_is_told(quick: TinyBench):
    record, job = select(quick, quick.write("network", **NETWORK))
    assert record.status == "ok", record.message
    assert record.method.select == 2
    assert [one.step for one in record.selection.curve] == [2, 4]
    assert record.selection.auprc == max(one.auprc for one in record.selection.curve)
    (held_out,) = record.selection.patients
    assert held_out in job.split.train
    events = job.run.read_events()
    assert check_events(events, record) == []
    (found,) = check_events(events, record.model_copy(update={"selection": None}))
    assert found.where == "record.json selection"


def test_training_does_not_see_the_patients_held_out(quick: TinyBench):
    entry = quick.write("network", **NETWORK)
    job = quick.runner.plan(replace(quick.experiment(entry.name), select=2), entry, quick.cohort)
    needs = SimpleNamespace(fit=("flair",), score=("flair",), native=False)
    assignment = quick.runner._assign(job, needs, [], [])
    assert set(assignment.held_out) == set(quick.cohort.held_out(job.split))
    assert set(assignment.train) == set(job.split.train) - set(assignment.held_out)
    assert set(assignment.training_set) == set(job.split.train)


def test_a_run_that_selects_is_another_run_and_one_that_does_not_has_no_trace_of_it(quick: TinyBench):
    entry = quick.write("network", **NETWORK)
    (_, with_it), (plain, without) = select(quick, entry), select(quick, entry, None)
    assert with_it.identity == {**without.identity, "select": 2}
    assert "select" not in without.run.experiment.read_text()
    assert not {"selection", "select"} & {*plain.to_json(), *plain.to_json()["method"]}


@pytest.mark.slow
def test_each_fold_has_its_own_curve_and_the_row_says_how_weights_were_selected(quick: TinyBench, tiny_data):
    quick.cohort = gather_tiny(tiny_data, folds=2)
    record, job = select(quick, quick.write("network", **NETWORK))
    assert (record.method.select, record.selection) == (2, None)
    assert all(fold.run.read_record().selection.every == 2 for fold in job.folds)


def test_a_method_that_scores_only_after_fit_is_refused_in_one_sentence(quick: TinyBench):
    late = {**NETWORK, "score": "return self.threshold_ * batch.image[:, 0]"}
    record, _ = select(quick, quick.write("late", **late))
    assert (record.status, record.reason) == ("failed", "no_selection")
    assert "cannot score before fit ends (AttributeError" in record.message
    assert record.message.endswith("run it without --select")


def test_a_method_that_trains_by_itself_is_refused(quick: TinyBench):
    record, _ = select(quick, quick.write("own", fit="pass"))
    assert (record.status, record.reason) == ("failed", "no_selection")


@pytest.mark.parametrize(
    ("needs", "every", "said"),
    [
        (SimpleNamespace(fit=(), networks=False), 5, "run it without --select"),
        (SimpleNamespace(fit=("flair",), networks=False), 5, "networks_"),
        (SimpleNamespace(fit=("flair",), networks=True), 0, "1 or more"),
    ],
)
def test_what_cannot_be_selected_is_refused_before_data_is_read(needs, every, said):
    with pytest.raises(ConfigError, match=said):
        check_selectable(SimpleNamespace(name="m", command=()), every, needs)


class Fixed:
    """Two networks that are trained one after the other, and a third that is never trained."""

    def __init__(self):
        self.networks_ = {name: torch.nn.Linear(1, 1) for name in ("first", "second", "frozen")}
        self.networks_["frozen"].requires_grad_(False)
        self.modalities = SimpleNamespace(score=("flair",))

    def score(self, batch):
        np.random.rand()  # noqa: NPY002
        return batch.image[:, 0]


def selector_of(method, slices=None, every=2):
    slices = slices or healthy_slices(("flair",), patients=("A", "B"))
    return ImplantSelector.of(method, Store(slices), slices.batch.keys, every=every, seed=0, device="cpu")


class Store:
    """Slices in memory in place of a `SliceStore`."""

    def __init__(self, slices):
        self.slices = slices

    def batch(self, keys, modalities=None):
        batch = self.slices.take([self.slices.batch.keys.index(key) for key in keys])
        channels = [self.slices.modalities.index(name) for name in modalities]
        return SliceBatch(batch.image[:, channels], batch.brain_mask, batch.keys)


def test_only_the_training_after_which_no_network_is_left_is_measured():
    selector = selector_of(Fixed())
    assert [selector.begin(name) for name in ("first", "second")] == [0, 2]
    with pytest.raises(MethodError, match="does not keep the network third by this name"):
        selector.begin("third")


def test_measurements_repeat_and_leave_the_generators_alone():
    selector = selector_of(Fixed())
    np.random.seed(3)  # noqa: NPY002
    first, second = selector.measure(), selector.measure()
    after = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert (first, after) == (second, np.random.rand())  # noqa: NPY002
    assert 0 < first < 1


def test_a_perfect_map_has_an_auprc_of_one():
    method = Fixed()
    selector = selector_of(method)
    method.score = lambda batch: torch.stack([torch.from_numpy(selector.implants.masks[k]).float() for k in batch.keys])
    assert selector.measure() == 1.0


def test_whole_volumes_are_refused():
    method = Fixed()
    method.whole_volume = True
    with pytest.raises(MethodError, match="whole volumes"):
        selector_of(method)


TRAINED = [
    name
    for name, entry in methods().items()
    if not problem_of(entry) and "networks_" in {field.name for field in dataclasses.fields(entry.load())}
]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_built_in_method_selects_or_says_why_not(name):
    cls = methods()[name].load()
    method = cls(**({"unet": SMALL} if "unet" in {field.name for field in dataclasses.fields(cls)} else {}))
    assert describe_method(method).networks
    modalities = tuple(dict.fromkeys((*method.modalities.fit, *method.modalities.score)))
    slices = healthy_slices(modalities, patients=("A", "B", "C"))
    selector = selector_of(method, slices)
    compute = Compute(selector=selector)
    fit = healthy_slices(method.modalities.fit, patients=("D", "E"))
    if name in UNSUPPORTED:
        with pytest.raises(MethodError, match=UNSUPPORTED[name]):
            method.fit(fit, budget=Budget(6, 2), compute=compute) and selector.selected()
        return
    method.fit(fit, budget=Budget(6, 2), compute=compute)
    selected = selector.selected()
    assert len(selected.curve) in {1, 2, 3}  # by the share of the budget that the last training has
    assert selector.measure() == selected.auprc
