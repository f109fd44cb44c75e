"""What the harness asks of every method, and a known answer of this one's features."""

from typing import Any

import torch

from patch_memory.features import blur, gradient
from patch_memory.method import PatchMemory
from uad_bench.testing import parametrize_with_checks


@parametrize_with_checks([PatchMemory])
def test_the_method_keeps_the_contract(method: Any, check: Any) -> None:
    check(method)


def test_a_ramp_has_its_slope_as_gradient_and_keeps_it_when_blurred() -> None:
    ramp = 0.5 * torch.arange(32.0).expand(1, 1, 32, 32)
    inside = (..., slice(8, 24), slice(8, 24))
    assert torch.allclose(gradient(ramp)[inside], torch.tensor(0.5))
    assert torch.allclose(blur(ramp, 2.0)[inside], ramp[inside], atol=1e-4)
