"""Group normalisation with channels last: torch's own values and gradients, without its slow backward pass."""

import pytest
import torch
from torch import nn

from uad_methods.nn.group_norm import GroupNorm


def outcome(layer, x, dy):
    """The output, and the gradients of the input, the weight and the bias."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    return (y, *torch.autograd.grad(y, [x, layer.weight, layer.bias], dy))


@pytest.mark.parametrize("groups", [1, 4, 12])
def test_values_and_gradients_are_those_of_torch(groups):
    draws = torch.Generator().manual_seed(groups)
    x, dy = (torch.randn(3, 12, 6, 7, dtype=torch.float64, generator=draws) + 2 for _ in range(2))
    ours, theirs = (kind(groups, 12).double() for kind in (GroupNorm, nn.GroupNorm))
    for layer in (ours, theirs):
        layer.load_state_dict({"weight": torch.linspace(0.5, 2, 12), "bias": torch.linspace(-1, 1, 12)})
    last = {"memory_format": torch.channels_last}
    found = outcome(ours, x.to(**last), dy.to(**last))
    assert type(found[0].grad_fn).__name__ == "_ChannelsLastBackward"
    for own, reference in zip(found, outcome(theirs, x, dy), strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-12, atol=1e-12)


def test_the_format_decides_and_contiguous_tensors_take_the_way_of_torch():
    y = GroupNorm(2, 4)(torch.randn(2, 4, 3, 3))
    assert type(y.grad_fn).__name__ == "NativeGroupNormBackward0"


def test_gradients_under_bfloat16_are_close_to_those_of_float32():
    draws = torch.Generator().manual_seed(0)
    x, dy = (torch.randn(2, 8, 16, 16, generator=draws).to(memory_format=torch.channels_last) for _ in range(2))
    exact = outcome(GroupNorm(4, 8), x, dy)
    rounded = outcome(GroupNorm(4, 8), x.bfloat16(), dy.bfloat16())
    assert rounded[1].dtype == torch.bfloat16
    for own, reference in zip(rounded, exact, strict=True):
        assert (own.float() - reference).abs().max() <= 2**-6 * reference.abs().max()
