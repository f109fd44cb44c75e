"""Variational auto-encoder: as the auto-encoder, with codes that are kept close to a standard normal.

Baur et al. (2021), section 3.2; Kingma and Welling (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uad_bench.method import SliceBatch
from uad_methods.ae import AE
from uad_methods.networks import Size
from uad_methods.nn.autoencoder import AutoEncoder, Code


@dataclass(kw_only=True)
class VAE(AE):
    """score = residual of x and its reconstruction from the mean code.

    Attributes:
        beta: weight of the divergence from N(0, I) against the L1 error summed over a slice.
    """

    beta: float = 1.0
    dropout: float = 0.1

    def build(self, size: Size) -> dict[str, nn.Module]:
        network = AutoEncoder(1, size, latent=self.latent, dropout=self.dropout, variational=True)
        return {"autoencoder": network}

    def _loss(self, batch: SliceBatch, generator: torch.Generator) -> Tensor:
        """Negative evidence lower bound, divided by the voxels of a slice to keep its size near the plain error."""
        x = batch.image
        eps = torch.randn(len(x), self.latent, generator=generator, device=x.device)
        x_hat, mean, log_std = self.networks_["autoencoder"](x, eps)
        error = (x_hat - x).abs().sum(dim=(1, 2, 3))
        loss: Tensor = (error + self.beta * Code(mean, log_std).divergence()).mean() / x[0].numel()
        return loss
