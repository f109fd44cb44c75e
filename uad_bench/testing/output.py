"""Checks of the output of `score` and its meaning, and of `reconstruct` if the method has it."""

from typing import Any

import torch
from torch import Tensor

from uad_bench.errors import UadBenchError
from uad_bench.method import Modalities, SliceBatch
from uad_bench.testing.candidate import Candidate
from uad_bench.testing.check import ContractViolation, NotApplicable, Noted, require_equal
from uad_bench.testing.slices import SIZE, SLICES, choose, copy_of, with_blob, with_noise, without_brain

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


def reconstruction(candidate: Candidate) -> None:
    """Pseudo-healthy images, if offered, are finite (N, H, W), independent of the batch, and come with equal scores."""
    if not hasattr(candidate.cls, "reconstruct"):
        raise NotApplicable("the method has no reconstruct")
    patient = candidate.patient()
    images = _reconstruct(candidate, patient)
    if tuple(images.shape) != (SLICES, *SIZE) or not images.is_floating_point():
        raise ContractViolation(f"reconstruct returns {images.dtype} of shape {tuple(images.shape)}, not (N, H, W)")
    if not torch.isfinite(images).all():
        raise ContractViolation("a pseudo-healthy image is NaN or infinite")
    if not candidate.whole_volume:
        apart = torch.cat([_reconstruct(candidate, choose(patient, [i])) for i in range(len(patient))])
        require_equal(apart, images, "slices reconstructed one at a time differ from those of a batch")
    if hasattr(candidate.cls, "score_and_reconstruct"):
        both: Any = candidate.fitted()
        scores, same = both.score_and_reconstruct(copy_of(patient).to(candidate.device))
        require_equal(same, images, "score_and_reconstruct returns other images than reconstruct")
        expected = candidate.score(candidate.fitted(), patient)
        require_equal(scores, expected, "score_and_reconstruct returns other scores than score")


def _reconstruct(candidate: Candidate, batch: SliceBatch) -> Tensor:
    method: Any = candidate.fitted()
    images: Tensor = method.reconstruct(copy_of(batch).to(candidate.device))
    return images.detach().clone()


def _require_shape(candidate: Candidate, expected: tuple[int, ...], scores: Tensor) -> None:
    if tuple(scores.shape) != expected:
        channels = len(candidate.needs.score)
        given = (expected[0], channels, *expected[1:])
        raise ContractViolation(f"images of shape {given} have scores of shape {tuple(scores.shape)}, not {expected}")


def _require_finite(scores: Tensor, where: str) -> None:
    bad = int((~torch.isfinite(scores)).sum())
    if bad:
        raise ContractViolation(f"{bad} of {scores.numel()} scores of {where} are NaN or infinite")


SPREAD = 0.3
SMOOTH = 0.5  # correlation of neighbours: 2/3 after a 3 x 3 mean filter, 0 for pixel-wise scores


def polarity(candidate: Candidate) -> None:
    """A bright blob raises the scores of its pixels."""
    patient, method = candidate.patient(), candidate.fitted()
    ill, blob = with_blob(patient)
    rise = float((candidate.score(method, ill) - candidate.score(method, patient))[blob.to(candidate.device)].mean())
    if rise <= 0:
        raise ContractViolation(
            f"a bright blob changes the scores of its pixels by {rise:.3g} on average; higher must mean more anomalous"
        )


def hidden_smoothing(candidate: Candidate) -> None:
    """Scores are not smoothed; smoothing is part of the post-processing, which is the same for all methods."""
    patient, method = candidate.patient(), candidate.fitted()
    noisy = with_noise(patient, spread=SPREAD)
    change = candidate.score(method, noisy) - candidate.score(method, patient)
    found = _neighbour_correlation(change.cpu(), patient.brain_mask[:, 0])
    if found > SMOOTH:
        raise Noted(f"scores seem smoothed: with white noise added, neighbours have a correlation of {found:.2f}")


def _neighbour_correlation(change: Tensor, brain: Tensor) -> float:
    """Correlation between horizontally neighbouring pixels inside the brain; both arguments are (N, H, W)."""
    both = brain[:, :, 1:] & brain[:, :, :-1]
    left, right = change[:, :, :-1][both].double(), change[:, :, 1:][both].double()
    left, right = left - left.mean(), right - right.mean()
    scale = float((left.square().mean() * right.square().mean()).sqrt())
    return float((left * right).mean()) / scale if scale > 0 else 0.0
