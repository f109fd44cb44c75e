"""Methods that score a slice by comparing it with a pseudo-healthy reconstruction."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from uad_bench.method import Modalities, Modality, SliceBatch
from uad_methods.networks import NetworkMethod
from uad_methods.residual import Residual, residual_map


@dataclass(kw_only=True)
class ReconstructingMethod(NetworkMethod):
    """A method with pseudo-healthy images, computed together with the scores.

    Attributes:
        source: the modality.
        residual: how a reconstruction is compared with the slice.
    """

    source: Modality = "flair"
    residual: Residual = "auto"

    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(self.source,), score=(self.source,))

    def score(self, batch: SliceBatch) -> Tensor:
        return self.score_and_reconstruct(batch)[0]

    def reconstruct(self, batch: SliceBatch) -> Tensor:
        return self.score_and_reconstruct(batch)[1]

    @abstractmethod
    def score_and_reconstruct(self, batch: SliceBatch) -> tuple[Tensor, Tensor]:
        """Score maps and pseudo-healthy images, both (N, H, W)."""


@dataclass(kw_only=True)
class ResidualMethod(ReconstructingMethod):
    """score = residual of x and its reconstruction."""

    @abstractmethod
    def restore(self, batch: SliceBatch) -> Tensor:
        """Reconstructions (N, 1, H, W) of slices that `ready` returned, in the networks' units."""

    def score_and_reconstruct(self, batch: SliceBatch) -> tuple[Tensor, Tensor]:
        batch = self.ready(batch)
        x, x_hat = self.in_task_units(batch.image, self.restore(batch))
        return residual_map(x, x_hat, kind=self.residual, modality=self.source), x_hat[:, 0]
