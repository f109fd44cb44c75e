"""Checks that a method touches what it was given and nothing else."""

from __future__ import annotations

import torch

from uad_bench.execution.process_state import changes
from uad_bench.method import SliceBatch
from uad_bench.testing.candidate import BUDGET, Candidate
from uad_bench.testing.check import ContractViolation
from uad_bench.testing.slices import copy_of
from uad_bench.testing.watching import KeptSlices, WatchedBatch, WatchedSlices, opened_files

IMAGE_FILES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")


def inputs_unchanged(candidate: Candidate) -> None:
    """Neither `fit` nor `score` changes the images it is given."""
    train = KeptSlices(candidate.training_slices())
    candidate.fit(candidate.new(), train)
    patient, method = candidate.patient().to(candidate.device), candidate.fitted()
    given = copy_of(patient)
    method.score(given)
    changed = {"fit": train.changed(), "score": not _same(given, patient)}
    for stage in (name for name, found in changed.items() if found):
        raise ContractViolation(f"{stage} changes the images it is given; work on a copy, as x = batch.image.clone()")


def label_access(candidate: Candidate) -> None:
    """It asks for nothing but images, brain masks and keys, and opens no image files."""
    asked: set[str] = set()
    with opened_files() as opened:
        method = candidate.fit(candidate.new(), WatchedSlices(candidate.training_slices(), asked))
        method.score(WatchedBatch.watch(candidate.patient().to(candidate.device), asked))
    if asked:
        raise ContractViolation(f"asks the slices for {', '.join(sorted(asked))}, which is no part of the contract")
    if images := [path for path in opened if path.lower().endswith(IMAGE_FILES)]:
        raise ContractViolation(f"opens {images[0]}; a method sees only the slices it is given")


def global_state(candidate: Candidate) -> None:
    """The process is left as it was: seeds, default dtype, threads, working folder, warnings, environment."""
    candidate.fitted()  # the first use may import, which is no fault

    def use() -> None:
        method = candidate.new().fit(candidate.training_slices(), budget=BUDGET, compute=candidate.compute())
        method.score(candidate.patient().to(candidate.device))

    if changed := changes(use):
        raise ContractViolation(
            f"fit or score changes {', '.join(changed)}; put it back, for seeds with uad_bench.seeding.seeded"
        )


def _same(one: SliceBatch, other: SliceBatch) -> bool:
    return torch.equal(one.image, other.image) and torch.equal(one.brain_mask, other.brain_mask)
