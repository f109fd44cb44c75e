"""The upper bound: what a network reaches that was shown the lesions."""

import pytest
import torch

from uad_bench.method import Budget, Compute, SliceBatch
from uad_methods.nn.unet import UNetShape
from uad_methods.supervised_unet import SupervisedUNet

SMALL = UNetShape(width=16, multipliers=(1, 2), blocks=1, groups=4)


@pytest.mark.slow
def test_shown_lesions_it_finds_those_of_other_slices(sick, healthy):
    batch, mask = sick(("flair",), n=16, seed=1)
    shown = healthy(("flair",), n=16)
    image = torch.cat([batch.image, mask[:, None].float()], dim=1)
    shown.batch = SliceBatch(image, batch.brain_mask, batch.keys)
    unseen, lesion = sick(("flair",), n=8, seed=2)
    method = SupervisedUNet(unet=SMALL).fit(shown, budget=Budget(40, 4), compute=Compute(seed=0))
    scores = method.score(unseen)
    brain = unseen.brain_mask[:, 0]
    inside, outside = scores[lesion & brain], scores[brain & ~lesion]
    assert scores.shape == (8, 32, 32)
    assert torch.quantile(inside, 0.1) > torch.quantile(outside, 0.95)
