"""Checks of the output of `score`."""

from __future__ import annotations

import torch
from torch import Tensor

from uad_bench.errors import UadBenchError
from uad_bench.method import Modalities
from uad_bench.testing.candidate import Candidate
from uad_bench.testing.check import ContractViolation, Noted
from uad_bench.testing.slices import SIZE, SLICES, copy_of, without_brain

ODD_SIZES = ((25, 25), (24, 38))  # working slices are square, native ones need not be


def contract(candidate: Candidate) -> None:
    """The method can be built from plain values, declares its modalities, fits, and scores."""
    needs = candidate.needs
    if not isinstance(needs, Modalities) or not needs.score:
        raise ContractViolation(f"modalities is {needs!r}; return Modalities(fit=(...), score=(...)), score non-empty")
    method = candidate.new()
    if candidate.fit(method) is not method:
        raise ContractViolation("fit does not return the method itself; end it with `return self`")
    scores = method.score(copy_of(candidate.patient()).to(candidate.device))
    if not isinstance(scores, Tensor):
        raise ContractViolation(f"score returns {type(scores).__name__}, not a torch.Tensor")


def shape(candidate: Candidate) -> None:
    """Scores have the shape (N, H, W)."""
    _require_shape(candidate, (SLICES, *SIZE), candidate.score(candidate.fitted(), candidate.patient()))


def dtype(candidate: Candidate) -> None:
    """Scores are float32."""
    found = candidate.score(candidate.fitted(), candidate.patient()).dtype
    if found != torch.float32:
        raise ContractViolation(f"scores are {found}; return scores.float()")


def device(candidate: Candidate) -> None:
    """Scores are on the device of the run."""
    found = candidate.score(candidate.fitted(), candidate.patient()).device.type
    if found != torch.device(candidate.device).type:
        raise ContractViolation(f"scores are on {found}, not on the run's device {candidate.device}")


def finite(candidate: Candidate) -> None:
    """Scores are finite on ordinary slices."""
    _require_finite(candidate.score(candidate.fitted(), candidate.patient()), "an ordinary slice")


def empty_brain(candidate: Candidate) -> None:
    """Scores are finite on slices without brain."""
    empty = without_brain(candidate.patient())
    _require_finite(candidate.score(candidate.fitted(), empty), "a slice whose brain_mask is empty")


def odd_sizes(candidate: Candidate) -> None:
    """Any slice size works, including odd and non-square ones, or the method raises a clear error."""
    for size in ODD_SIZES:
        try:
            fitted = candidate.fit(candidate.new(), candidate.training_slices(size=size))
            scores = candidate.score(fitted, candidate.patient(size=size))
        except UadBenchError as refusal:
            raise Noted(f"refuses slices of {size[0]} x {size[1]}: {refusal}") from refusal
        _require_shape(candidate, (SLICES, *size), scores)


def _require_shape(candidate: Candidate, expected: tuple[int, ...], scores: Tensor) -> None:
    if tuple(scores.shape) != expected:
        channels = len(candidate.needs.score)
        given = (expected[0], channels, *expected[1:])
        raise ContractViolation(f"images of shape {given} have scores of shape {tuple(scores.shape)}, not {expected}")


def _require_finite(scores: Tensor, where: str) -> None:
    bad = int((~torch.isfinite(scores)).sum())
    if bad:
        raise ContractViolation(f"{bad} of {scores.numel()} scores of {where} are NaN or infinite")
