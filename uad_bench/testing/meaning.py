"""Checks of what scores mean: higher is more anomalous, and nothing is smoothed in secret."""

from __future__ import annotations

from torch import Tensor

from uad_bench.testing.candidate import Candidate
from uad_bench.testing.check import ContractViolation, Noted
from uad_bench.testing.slices import with_blob, with_noise

SPREAD = 0.3
SMOOTH = 0.5  # neighbours of a 3 x 3 mean filter correlate by 2/3, of a score pixel by pixel by 0


def polarity(candidate: Candidate) -> None:
    """A bright blob scores higher than the same place without it."""
    patient, method = candidate.patient(), candidate.fitted()
    ill, blob = with_blob(patient)
    rise = float((candidate.score(method, ill) - candidate.score(method, patient))[blob.to(candidate.device)].mean())
    if rise <= 0:
        raise ContractViolation(
            f"a bright blob changes the score of its place by {rise:.3g} on average; higher must mean more anomalous"
        )


def hidden_smoothing(candidate: Candidate) -> None:
    """Scores follow the image pixel by pixel; smoothing belongs to the common post-processing, equal for all."""
    patient, method = candidate.patient(), candidate.fitted()
    noisy = with_noise(patient, spread=SPREAD)
    change = candidate.score(method, noisy) - candidate.score(method, patient)
    found = _neighbour_correlation(change.cpu(), patient.brain_mask[:, 0])
    if found > SMOOTH:
        raise Noted(f"scores look smoothed: white noise comes back correlated by {found:.2f} between neighbours")


def _neighbour_correlation(change: Tensor, brain: Tensor) -> float:
    """Correlation of horizontally neighbouring pixels inside the brain, both (N, H, W)."""
    both = brain[:, :, 1:] & brain[:, :, :-1]
    left, right = change[:, :, :-1][both].double(), change[:, :, 1:][both].double()
    left, right = left - left.mean(), right - right.mean()
    scale = float((left.square().mean() * right.square().mean()).sqrt())
    return float((left * right).mean()) / scale if scale > 0 else 0.0
