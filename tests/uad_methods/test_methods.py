"""What every method promises, asked of all of them."""

import dataclasses

import pytest
import torch

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, Method, SliceBatch
from uad_methods.ae import AE
from uad_methods.andi import ANDi
from uad_methods.anoddpm import AnoDDPM
from uad_methods.cycle import CycleOnly
from uad_methods.dae import DAE
from uad_methods.ddpm import DDPM
from uad_methods.disyre import Disyre
from uad_methods.fpi import FPI
from uad_methods.intensity import Intensity, IntensityCoarse, IntensityEqualised, Random
from uad_methods.itermask2 import IterMask2
from uad_methods.mean_distance import MeanDistance
from uad_methods.mmccd import MMCCD
from uad_methods.nn.unet import UNetShape
from uad_methods.patch2loc import Patch2Loc
from uad_methods.pddpm import PDDPM
from uad_methods.pii import PII
from uad_methods.reflect import Reflect
from uad_methods.symmetry import Symmetry
from uad_methods.synthetic_unet import SyntheticUNet
from uad_methods.translate import Translate
from uad_methods.vae import VAE
from uad_methods.z_score import ZScore

SYNTHETIC = [SyntheticUNet, FPI, PII, Disyre, Reflect]
TRAINED = [AE, VAE, DAE, DDPM, AnoDDPM, ANDi, PDDPM, IterMask2, Patch2Loc, CycleOnly, Translate, MMCCD, *SYNTHETIC]
LEARNS_SLOWLY = {SyntheticUNet, FPI, PII, Reflect}
HAVE_QUICKER_TESTS = {
    DDPM,
    Translate,
    ANDi,
    AnoDDPM,
    PDDPM,
    CycleOnly,
    MMCCD,
    Patch2Loc,
    Disyre,
    IterMask2,
}  # of their parts; DAE stands for the networks that they share
UNTRAINED = [Random, Intensity, IntensityCoarse, IntensityEqualised, MeanDistance, ZScore, Symmetry]
TINY = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)
BUDGET = Budget(5, 2)  # odd, for those that divide it
SIZE = 16


def tiny(cls):
    return cls(**({"unet": TINY} if "unet" in {f.name for f in dataclasses.fields(cls)} else {}))


@pytest.fixture(scope="module", params=[*TRAINED, *UNTRAINED], ids=lambda cls: cls.__name__)
def fitted(request, healthy):
    method = tiny(request.param)
    return method.fit(slices_for(method, healthy), budget=BUDGET, compute=Compute(seed=3))


@pytest.fixture(scope="module")
def batch(fitted, sick):
    return sick(fitted.modalities.score, n=2, size=SIZE)[0]


@pytest.fixture(scope="module")
def scores(fitted, batch):
    return fitted.score(batch)


def slices_for(method, healthy):
    return healthy(method.modalities.fit or ("flair",), size=SIZE)


def one(batch, i):
    return SliceBatch(batch.image[i : i + 1], batch.brain_mask[i : i + 1], batch.keys[i : i + 1])


def test_it_fits_the_contract(fitted):
    assert isinstance(fitted, Method)


def test_scores_are_finite_maps(scores):
    assert (scores.shape, scores.dtype) == ((2, SIZE, SIZE), torch.float32)
    assert scores.isfinite().all()


def test_a_slice_scores_the_same_in_any_batch(fitted, batch, scores):
    if getattr(fitted, "whole_volume", False):
        pytest.skip("scores whole volumes")
    alone = torch.cat([fitted.score(one(batch, i)) for i in range(len(batch))])
    assert torch.allclose(alone, scores, rtol=1e-5, atol=1e-5 * float(scores.abs().max()))


def test_a_restored_method_scores_the_same_bytes(fitted, batch, scores):
    restored = tiny(type(fitted)).load_state_dict(fitted.state_dict(), compute=Compute(seed=3))
    assert torch.equal(restored.score(batch), scores)


def test_a_second_fit_forgets_the_first_and_keeps_to_the_budget(fitted, healthy):
    before, steps = fitted.state_dict(), {}

    def note(progress):
        steps[progress.stage] = progress.step

    again = fitted.fit(slices_for(fitted, healthy), budget=BUDGET, compute=Compute(seed=3, report=note)).state_dict()
    assert before.keys() == again.keys()
    assert all(torch.equal(before[key], again[key]) for key in before)
    assert sum(steps.values()) in {0, BUDGET.steps}


def test_the_state_is_plain_tensors(fitted):
    assert all(value.is_contiguous() for value in fitted.state_dict().values())


@pytest.mark.parametrize("cls", TRAINED, ids=lambda cls: cls.__name__)
def test_an_unfitted_method_is_refused(cls, sick):
    with pytest.raises(NotFittedError, match=cls.__name__):
        tiny(cls).score(sick(cls().modalities.score)[0])


def when_slow(cls):
    return pytest.param(cls, marks=[pytest.mark.slow] * (cls in HAVE_QUICKER_TESTS))


@pytest.mark.parametrize(
    "cls", [when_slow(cls) for cls in TRAINED if cls not in LEARNS_SLOWLY], ids=lambda cls: cls.__name__
)
def test_what_was_never_seen_scores_higher_than_what_was(cls, healthy, sick):
    method = tiny(cls)
    if isinstance(method, MMCCD | CycleOnly):
        method.unet = dataclasses.replace(TINY, width=16)
    budget = Budget(60 if cls is Patch2Loc else 30, 8)
    method.fit(healthy(method.modalities.fit, size=SIZE), budget=budget, compute=Compute(seed=0))
    batch, disk = sick(method.modalities.score, size=SIZE)
    scores = method.score(batch)
    ill, well = scores[disk].mean(), scores[batch.brain_mask[:, 0] & ~disk].mean()
    apart = (ill - well).exp() if cls is Patch2Loc else ill / well  # its scores are logarithms
    assert apart > 1.5
