"""Checks that the score of a slice depends on the slice alone, not on those scored with or before it."""

import torch
from torch import Tensor

from uad_bench.execution.process_state import global_seeds
from uad_bench.testing.candidate import BUDGET, Candidate
from uad_bench.testing.check import ContractViolation, NotApplicable, are_close, require_equal
from uad_bench.testing.slices import choose, with_blob

HOW_SEED = "draw noise with uad_bench.seeding.slice_noise, and weights inside uad_bench.seeding.seeded(compute.seed)"


def determinism(candidate: Candidate) -> None:
    """Fitting and scoring twice with the same seed gives the same scores."""
    found = []
    for number in (1, 2):
        with global_seeds(number):
            method = candidate.new().fit(candidate.training_slices(), budget=BUDGET, compute=candidate.compute())
            found.append(method.score(candidate.patient().to(candidate.device)).detach().clone())
    require_equal(found[1], found[0], f"two runs with seed 0 differ; {HOW_SEED}")
    with global_seeds(3):
        again = method.score(candidate.patient().to(candidate.device)).detach()
    require_equal(again, found[1], f"the same slices scored twice differ; {HOW_SEED}")


def slice_order(candidate: Candidate) -> None:
    """Scores do not depend on the order of the slices in a batch."""
    _require_batches(candidate)
    patient, method = candidate.patient(), candidate.fitted()
    order = torch.randperm(len(patient), generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = candidate.score(method, choose(patient, order))
    expected = candidate.score(candidate.fitted(), patient)
    require_equal(shuffled, expected[order], "scores depend on the order of the slices")


def batch_size(candidate: Candidate) -> None:
    """Scores do not depend on the number of slices in a batch."""
    _require_batches(candidate)
    patient, method = candidate.patient(), candidate.fitted()
    together = candidate.score(method, patient)
    apart = torch.cat([candidate.score(method, choose(patient, [i])) for i in range(len(patient))])
    require_equal(
        apart, together, "slices scored one at a time get other scores than in a batch; do not use batch statistics"
    )


def other_cases(candidate: Candidate) -> None:
    """Scores of a patient do not depend on patients scored before; nothing is rescaled over the test set."""
    patient = candidate.patient()
    alone = candidate.score(candidate.fitted(), patient)
    method = candidate.fitted()
    other, _ = with_blob(candidate.patient("case-b"))
    candidate.score(method, other)
    after = candidate.score(method, patient)
    require_equal(after, alone, "a patient's scores change after another patient is scored; keep no state in score")


def per_slice_scale(candidate: Candidate) -> None:
    """Scores are not rescaled per slice, so slices are comparable."""
    patient, method = candidate.patient(), candidate.fitted()
    ill, blob = with_blob(patient)
    before, after = candidate.score(method, patient), candidate.score(method, ill)
    elsewhere = ~blob.to(before.device)
    if _same_range(after) and not are_close(after[elsewhere], before[elsewhere]):
        raise ContractViolation(
            f"every slice has the same lowest ({float(after.min()):.3g}) and highest score ({float(after.max()):.3g}), "
            "and a blob changes scores far from it; rescaling per slice makes healthy slices look anomalous"
        )


def _same_range(scores: Tensor) -> bool:
    """Whether all slices (N, H, W) have the same lowest and the same highest score."""
    edges = torch.stack([scores.amin((1, 2)), scores.amax((1, 2))])  # (2, N)
    return bool((edges - edges[:, :1]).abs().max() <= 1e-6 * scores.abs().max())


def _require_batches(candidate: Candidate) -> None:
    if candidate.whole_volume:
        raise NotApplicable("whole_volume: each call receives one whole patient in order of z")
