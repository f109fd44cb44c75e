"""The kit on trial: a sound method passes every check, and each broken one is caught by exactly one."""

import contextlib
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from uad_bench.errors import ConfigError
from uad_bench.method import Modalities
from uad_bench.testing import Candidate, ContractViolation, method_checks, run_checks


@dataclass(kw_only=True)
class Sound:
    """score = distance from the mean healthy brightness."""

    source: str = "flair"
    mean_: torch.Tensor = field(init=False, repr=False)

    @property
    def modalities(self):
        return Modalities(fit=(self.source,), score=(self.source,))

    def fit(self, train, *, budget, compute):
        brains = [train[i].image[train[i].brain_mask] for i in range(len(train) // 2)]
        self.mean_ = torch.cat(brains).mean()
        return self

    def score(self, batch):
        return (batch.image[:, 0] - self.mean_).abs()

    def reconstruct(self, batch):
        return self.mean_.expand_as(batch.image[:, 0])

    def state_dict(self):
        return {"mean": self.mean_}

    def load_state_dict(self, state, *, compute):
        self.mean_ = state["mean"]
        return self


class FitReturnsNothing(Sound):
    def fit(self, train, *, budget, compute):
        super().fit(train, budget=budget, compute=compute)


class KeepsChannels(Sound):
    def score(self, batch):
        return super().score(batch)[:, None]


class Doubles(Sound):
    def score(self, batch):
        return super().score(batch).double()


class AnotherDevice(Sound):
    def score(self, batch):
        return super().score(batch).to("meta")


class OneNaN(Sound):
    def score(self, batch):
        scores = super().score(batch)
        scores[0, 5, 5] = torch.nan
        return scores


class DividesByBrain(Sound):
    def score(self, batch):
        return super().score(batch) / batch.brain_mask.sum(dim=(1, 2, 3))[:, None, None]


class EvenSizesOnly(Sound):
    def score(self, batch):
        return F.pixel_shuffle(F.pixel_unshuffle(super().score(batch)[:, None], 2), 2)[:, 0]


class Flipped(Sound):
    def score(self, batch):
        return -super().score(batch)


class DrawsFromGlobalGenerator(Sound):
    def score(self, batch):
        scores = super().score(batch)
        return scores + 0.1 * torch.rand_like(scores)


class PlaceInBatchCounts(Sound):
    def score(self, batch):
        return super().score(batch) + torch.arange(len(batch))[:, None, None]


class BatchMeanCounts(Sound):
    def score(self, batch):
        scores = super().score(batch)
        return scores - 0.5 * scores.mean()


class RescalesOverTestSet(Sound):
    highest_: float = 0.0

    def score(self, batch):
        scores = super().score(batch)
        self.highest_ = max(self.highest_, float(scores.max()))
        return scores / self.highest_


class RescalesEachSlice(Sound):
    def score(self, batch):
        scores = super().score(batch)
        low, high = scores.amin((1, 2), keepdim=True), scores.amax((1, 2), keepdim=True)
        return (scores - low) / (high - low).clamp(min=1e-6)


class ScoresUnfitted(Sound):
    mean_ = torch.tensor(0.0)


class Remembers(Sound):
    total_: float = 0.0

    def fit(self, train, *, budget, compute):
        super().fit(train, budget=budget, compute=compute)
        self.total_ += float(self.mean_)
        self.mean_ = torch.tensor(self.total_)
        return self


class ForgetsInState(Sound):
    def state_dict(self):
        return {"mean": torch.zeros(())}


class KeepsNoTensors(Sound):
    def state_dict(self):
        return {"mean": float(self.mean_)}


class StepsTooOften(Sound):
    def fit(self, train, *, budget, compute):
        weight = torch.nn.Parameter(torch.zeros(()))
        optimiser = torch.optim.SGD([weight], lr=0.0)
        for _ in range(budget.steps + 1):
            (weight * 1.0).backward()
            optimiser.step()
        return super().fit(train, budget=budget, compute=compute)


class DrawsTooMuch(Sound):
    def fit(self, train, *, budget, compute):
        batches = train.batches(2 * budget.batch_size, torch.Generator().manual_seed(compute.seed))
        for _ in range(budget.steps):
            next(batches)
        return super().fit(train, budget=budget, compute=compute)


class ChangesImages(Sound):
    def score(self, batch):
        return batch.image.sub_(self.mean_).abs()[:, 0]


class ChangesTrainingImages(Sound):
    def fit(self, train, *, budget, compute):
        train[0].image.zero_()
        return super().fit(train, budget=budget, compute=compute)


class LooksForLabels(Sound):
    def score(self, batch):
        getattr(batch, "anomaly_mask", None)
        return super().score(batch)


class LooksForFolders(Sound):
    def fit(self, train, *, budget, compute):
        getattr(train, "store", None)
        return super().fit(train, budget=budget, compute=compute)


class OpensLabels(Sound):
    def score(self, batch):
        with contextlib.suppress(OSError):
            Path("/nowhere/p1_seg.nii.gz").read_bytes()
        return super().score(batch)


class SetsSeed(Sound):
    def fit(self, train, *, budget, compute):
        torch.manual_seed(compute.seed)
        return super().fit(train, budget=budget, compute=compute)


class SetsThreads(Sound):
    def fit(self, train, *, budget, compute):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().fit(train, budget=budget, compute=compute)


class SetsDtype(Sound):
    def score(self, batch):
        scores = super().score(batch)
        torch.set_default_dtype(torch.float64)
        return scores


class LeavesFolder(Sound):
    def score(self, batch):
        os.chdir("/")
        return super().score(batch)


class SilencesWarnings(Sound):
    def fit(self, train, *, budget, compute):
        warnings.simplefilter("ignore", RuntimeWarning)
        return super().fit(train, budget=budget, compute=compute)


class Smooths(Sound):
    def score(self, batch):
        return F.avg_pool2d(super().score(batch)[:, None], 5, stride=1, padding=2)[:, 0]


class ReconstructsChannels(Sound):
    def reconstruct(self, batch):
        return batch.image


class ReconstructsFromTheBatch(Sound):
    def reconstruct(self, batch):
        return batch.image.mean(dim=0, keepdim=True)[:, 0].expand_as(batch.image[:, 0])


class ScoresOtherwiseWithImages(Sound):
    def reconstruct(self, batch):
        return batch.image[:, 0]

    def score_and_reconstruct(self, batch):
        return 2 * self.score(batch) + 1, self.reconstruct(batch)


BROKEN = [
    (FitReturnsNothing, "contract"),
    (KeepsChannels, "shape"),
    (Doubles, "dtype"),
    (AnotherDevice, "device"),
    (OneNaN, "finite"),
    (DividesByBrain, "empty_brain"),
    (EvenSizesOnly, "odd_sizes"),
    (Flipped, "polarity"),
    (DrawsFromGlobalGenerator, "determinism"),
    (PlaceInBatchCounts, "slice_order"),
    (BatchMeanCounts, "batch_size"),
    (RescalesOverTestSet, "other_cases"),
    (RescalesEachSlice, "per_slice_scale"),
    (ScoresUnfitted, "score_before_fit"),
    (Remembers, "refit"),
    (ForgetsInState, "state_round_trip"),
    (KeepsNoTensors, "state_round_trip"),
    (StepsTooOften, "budget"),
    (DrawsTooMuch, "budget"),
    (ChangesImages, "inputs_unchanged"),
    (ChangesTrainingImages, "inputs_unchanged"),
    (LooksForLabels, "label_access"),
    (LooksForFolders, "label_access"),
    (OpensLabels, "label_access"),
    (SetsSeed, "global_state"),
    (SetsThreads, "global_state"),
    (SetsDtype, "global_state"),
    (LeavesFolder, "global_state"),
    (ReconstructsChannels, "reconstruction"),
    (ReconstructsFromTheBatch, "reconstruction"),
    (ScoresOtherwiseWithImages, "reconstruction"),
    (SilencesWarnings, "global_state"),
]


def found(method, status: str) -> list[str]:
    return [result.check for result in run_checks(method, list(method_checks())) if result.status == status]


def test_a_sound_method_passes_every_check():
    assert [r for r in run_checks(Sound, list(method_checks())) if r.status != "passed"] == []


@pytest.mark.parametrize(("method", "check"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_method_is_caught_by_exactly_one_check(method, check):
    assert found(method, "failed") == [check]


def test_every_check_has_a_method_that_only_it_catches():
    assert {c.name for c in method_checks()} - {check for _, check in BROKEN} == {"hidden_smoothing"}


def test_hidden_smoothing_is_reported_and_fails_nobody():
    assert (found(Smooths, "noted"), found(Smooths, "failed")) == (["hidden_smoothing"], [])


def test_checks_that_mean_nothing_after_a_failure_are_skipped_with_the_reason():
    results = {r.check: r for r in run_checks(DrawsFromGlobalGenerator, list(method_checks()))}
    assert results["batch_size"].message == "requires determinism, which failed"


def test_a_size_that_the_method_refuses_in_words_is_noted():
    class Refuses(Sound):
        def fit(self, train, *, budget, compute):
            if len(train) and train[0].image.shape[-1] % 2:
                raise ConfigError("slices must have an even size")
            return super().fit(train, budget=budget, compute=compute)

    assert found(Refuses, "noted") == ["odd_sizes"]


def test_a_crash_is_told_with_its_line():
    class Crashes(Sound):
        def score(self, batch):
            raise KeyError("gone")

    (result,) = (r for r in run_checks(Crashes, list(method_checks())) if r.status == "failed")
    assert "KeyError: 'gone'" in result.message
    assert "(test_checks.py:" in result.message
    assert ", in score)" in result.message


def test_an_excused_failure_is_excused_with_its_reason():
    class Excused(Flipped):
        excused_checks: ClassVar = {"polarity": "dark is ill here"}

    assert (found(Excused, "excused"), found(Excused, "failed")) == (["polarity"], [])


def test_an_excuse_that_is_not_needed_is_a_failure():
    class Needless(Sound):
        excused_checks: ClassVar = {"polarity": "for no reason"}

    assert found(Needless, "failed") == ["polarity"]


def test_a_check_can_be_called_with_a_class_or_an_object():
    polarity = next(check for check in method_checks() if check.name == "polarity")
    polarity(Sound(source="t2"))
    with pytest.raises(ContractViolation, match="polarity: a bright blob changes the scores of its pixels by -"):
        polarity(Flipped)


def test_the_checks_leave_the_process_as_it_was():
    before = torch.get_rng_state(), torch.get_num_threads(), Path.cwd()
    found(SetsThreads, "failed")
    found(LeavesFolder, "failed")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), Path.cwd())


def test_a_file_with_several_methods_must_be_told_which(tmp_path):
    file = tmp_path / "two.py"
    file.write_text("class A: ...\nMETHODS = {'a': A, 'b': A}\n")
    with pytest.raises(ConfigError, match="several methods: a, b"):
        Candidate.of(str(file))
