"""Checks of the meaning of scores: higher is more anomalous, and maps are not smoothed."""

from __future__ import annotations

from torch import Tensor

from uad_bench.testing.candidate import Candidate
from uad_bench.testing.check import ContractViolation, Noted
from uad_bench.testing.slices import with_blob, with_noise

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
