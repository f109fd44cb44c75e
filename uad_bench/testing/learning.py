"""Checks of what `fit` learns, keeps and spends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from uad_bench.testing.candidate import BUDGET, Candidate
from uad_bench.testing.check import ContractViolation, NotApplicable
from uad_bench.testing.comparing import require_equal
from uad_bench.testing.watching import CountedSlices


def score_before_fit(candidate: Candidate) -> None:
    """Scoring before anything was learned raises."""
    _require_learning(candidate)
    try:
        candidate.score(candidate.new(), candidate.patient())
    except Exception:  # noqa: BLE001 - any refusal will do
        return
    raise ContractViolation("an unfitted method returns scores; raise uad_bench.errors.NotFittedError")


def refit(candidate: Candidate) -> None:
    """A second fit forgets the first."""
    _require_learning(candidate)
    second, patient = candidate.training_slices(seed=1), candidate.patient()
    once = candidate.score(candidate.fit(candidate.new(), second), patient)
    twice = candidate.score(candidate.fit(candidate.fitted(), second), patient)
    require_equal(twice, once, "a second fit remembers the first; start fit by forgetting everything")


def state_round_trip(candidate: Candidate) -> None:
    """What `state_dict` returns survives safetensors and restores the same scores."""
    from safetensors.torch import load, save

    method, patient = candidate.fitted(), candidate.patient()
    expected = candidate.score(method, patient)
    state = method.state_dict()
    if odd := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise ContractViolation(f"state_dict holds {odd[0]!r}, which is no tensor; torch.tensor(value) makes it one")
    stored = load(save({name: value.detach().cpu().contiguous() for name, value in state.items()}))
    restored = candidate.new().load_state_dict(stored, compute=candidate.compute())
    if restored is None:
        raise ContractViolation("load_state_dict does not return the method itself; end it with `return self`")
    require_equal(candidate.score(restored, patient), expected, "a restored method scores differently")


def budget(candidate: Candidate) -> None:
    """Training keeps within the budget: optimiser steps, and slices drawn for them."""
    _require_learning(candidate)
    train = CountedSlices(candidate.training_slices())
    with counted_steps() as steps:
        candidate.fit(candidate.new(), train)
    if steps() > BUDGET.steps:
        raise ContractViolation(f"{steps()} optimiser steps were made, the budget allows {BUDGET.steps}")
    allowed = BUDGET.steps * BUDGET.batch_size + len(train)
    if train.drawn > allowed:
        raise ContractViolation(
            f"{train.drawn} slices were drawn; allowed are {BUDGET.steps} steps x {BUDGET.batch_size} slices "
            f"and one look at all {len(train)}"
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
        raise NotApplicable("learns nothing")
