"""Checks of `fit` and of side effects: state, budget, inputs, files and global state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from uad_bench.execution.process_state import changes
from uad_bench.testing.candidate import BUDGET, Candidate
from uad_bench.testing.check import ContractViolation, NotApplicable, require_equal
from uad_bench.testing.slices import CountedSlices, KeptSlices, WatchedBatch, WatchedSlices, copy_of, opened_files, same


def score_before_fit(candidate: Candidate) -> None:
    """Scoring before `fit` raises an error."""
    _require_learning(candidate)
    try:
        candidate.score(candidate.new(), candidate.patient())
    except Exception:  # noqa: BLE001 - any error passes
        return
    raise ContractViolation("an unfitted method returns scores; raise uad_bench.errors.NotFittedError")


def refit(candidate: Candidate) -> None:
    """A second `fit` discards the first."""
    _require_learning(candidate)
    second, patient = candidate.training_slices(seed=1), candidate.patient()
    once = candidate.score(candidate.fit(candidate.new(), second), patient)
    twice = candidate.score(candidate.fit(candidate.fitted(), second), patient)
    require_equal(twice, once, "a second fit depends on the first; reset all state at the start of fit")


def state_round_trip(candidate: Candidate) -> None:
    """The `state_dict`, stored with safetensors, restores the same scores."""
    from safetensors.torch import load, save

    method, patient = candidate.fitted(), candidate.patient()
    expected = candidate.score(method, patient)
    state = method.state_dict()
    if others := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise ContractViolation(f"state_dict contains {others[0]!r}, which is not a tensor; wrap it in torch.tensor")
    stored = load(save({name: value.detach().cpu().contiguous() for name, value in state.items()}))
    restored = candidate.new().load_state_dict(stored, compute=candidate.compute())
    if restored is None:
        raise ContractViolation("load_state_dict does not return the method itself; end it with `return self`")
    require_equal(candidate.score(restored, patient), expected, "a restored method scores differently")


def budget(candidate: Candidate) -> None:
    """Training stays within the budget of optimiser steps and slices."""
    _require_learning(candidate)
    train = CountedSlices(candidate.training_slices())
    with counted_steps() as steps:
        candidate.fit(candidate.new(), train)
    if steps() > BUDGET.steps:
        raise ContractViolation(f"fit made {steps()} optimiser steps; the budget is {BUDGET.steps}")
    allowed = BUDGET.steps * BUDGET.batch_size + len(train)
    if train.drawn > allowed:
        raise ContractViolation(
            f"fit drew {train.drawn} slices; the budget is {BUDGET.steps} steps x {BUDGET.batch_size} slices "
            f"and one pass over all {len(train)}"
        )


@contextmanager
def counted_steps() -> Iterator[Callable[[], int]]:
    """Count the steps of every torch optimiser in the process."""
    steps: list[None] = []

    def count(*_: Any) -> None:
        steps.append(None)

    hook = register_optimizer_step_post_hook(count)
    try:
        yield lambda: len(steps)
    finally:
        hook.remove()


def _require_learning(candidate: Candidate) -> None:
    if not candidate.needs.fit:
        raise NotApplicable("the method is not trained")


IMAGE_FILES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd")


def inputs_unchanged(candidate: Candidate) -> None:
    """Neither `fit` nor `score` modifies its input images."""
    train = KeptSlices(candidate.training_slices())
    candidate.fit(candidate.new(), train)
    patient, method = candidate.patient().to(candidate.device), candidate.fitted()
    given = copy_of(patient)
    method.score(given)
    changed = {"fit": train.changed(), "score": not same(given, patient)}
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
