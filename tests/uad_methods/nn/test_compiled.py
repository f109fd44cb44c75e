"""The published U-Net is one graph for `torch.compile`."""

import pytest
import torch

from uad_methods.nn.unet import PUBLISHED, UNet


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch itself
def test_the_published_network_compiles_without_a_graph_break():
    network = UNet(2, shape=PUBLISHED).to(memory_format=torch.channels_last)
    found = torch._dynamo.explain(network)(torch.randn(2, 2, 32, 32), torch.tensor([3, 900]))
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
