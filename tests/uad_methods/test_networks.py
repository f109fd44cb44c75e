"""Passes of a fixed size, which shrink for good where memory is too small for them."""

import pytest
import torch
from torch import nn

from uad_bench.execution.scoring import BATCH
from uad_bench.method import Compute
from uad_methods.dae import DAE
from uad_methods.networks import PASS_SIZE
from uad_methods.nn.unet import UNetShape
from uad_methods.units import Units

SHAPE = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)


class SmallMemory(nn.Module):
    """Runs out of memory on more than `most` slices; else triples them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 3 * x


def method(most: int) -> DAE:
    made = DAE(unet=SHAPE)
    made._prepare((16, 16), Compute(), Units())
    made.networks_ = {"denoiser": SmallMemory(most)}
    return made


def test_passes_are_halved_until_they_fit_and_no_slice_is_lost():
    small = method(5)
    x = torch.randn(20, 1, 16, 16)
    assert torch.equal(small.predict("denoiser", x), 3 * x)
    assert small.networks_["denoiser"].seen == [16, 8, *[4] * 5]


def test_the_size_that_fits_is_remembered():
    small = method(5)
    small.predict("denoiser", torch.randn(4, 1, 16, 16))
    small.networks_["denoiser"].seen.clear()
    small.predict("denoiser", torch.randn(4, 1, 16, 16))
    assert small.networks_["denoiser"].seen == [4]


def test_a_slice_that_does_not_fit_alone_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        method(0).predict("denoiser", torch.randn(2, 1, 16, 16))


@pytest.mark.parametrize("slices", [64, 100, 155, 240])
def test_the_calls_for_a_patient_on_a_gpu_are_filled_up_by_less_than_one_call(slices, monkeypatch):
    per_call = PASS_SIZE["cuda"]
    monkeypatch.setitem(PASS_SIZE, "cpu", per_call)
    patient = method(per_call)
    for part in torch.randn(slices, 1, 2, 2).split(BATCH["cuda"]):
        patient.predict("denoiser", part)
    seen = patient.networks_["denoiser"].seen
    assert set(seen) == {per_call}
    assert sum(seen) < slices + per_call
