"""Checks of side effects: inputs, files and global state must remain unchanged."""

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
    """Neither `fit` nor `score` modifies its input images."""
    train = KeptSlices(candidate.training_slices())
    candidate.fit(candidate.new(), train)
    patient, method = candidate.patient().to(candidate.device), candidate.fitted()
    given = copy_of(patient)
    method.score(given)
    changed = {"fit": train.changed(), "score": not _same(given, patient)}
    for stage in (name for name, found in changed.items() if found):
        raise ContractViolation(f"{stage} modifies its input images; work on a copy, e.g. x = batch.image.clone()")


def label_access(candidate: Candidate) -> None:
    """The method uses nothing but images, brain masks and keys, and opens no image files."""
    asked: set[str] = set()
    with opened_files() as opened:
        method = candidate.fit(candidate.new(), WatchedSlices(candidate.training_slices(), asked))
        method.score(WatchedBatch.watch(candidate.patient().to(candidate.device), asked))
    if asked:
        raise ContractViolation(
            f"accesses {', '.join(sorted(asked))} of the slices, which the contract does not define"
        )
    if images := [path for path in opened if path.lower().endswith(IMAGE_FILES)]:
        raise ContractViolation(f"opens {images[0]}; a method may use only the slices it is given")


def global_state(candidate: Candidate) -> None:
    """Global state is unchanged: seeds, default dtype, threads, working directory, warnings, environment."""
    candidate.fitted()  # imports at first use may change it

    def use() -> None:
        method = candidate.new().fit(candidate.training_slices(), budget=BUDGET, compute=candidate.compute())
        method.score(candidate.patient().to(candidate.device))

    if changed := changes(use):
        raise ContractViolation(
            f"fit or score changes {', '.join(changed)}; restore it (seeds: use uad_bench.seeding.seeded)"
        )


def _same(one: SliceBatch, other: SliceBatch) -> bool:
    return torch.equal(one.image, other.image) and torch.equal(one.brain_mask, other.brain_mask)
