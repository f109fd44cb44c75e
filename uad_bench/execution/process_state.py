"""The state of the process that a method must leave alone: seeds, dtype, threads, folder, warnings, environment."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class Part(NamedTuple):
    """How one part of the state is read and put back."""

    read: Callable[[], Any]
    restore: Callable[[Any], object]


def _set_environment(stored: dict[str, str]) -> None:
    if dict(os.environ) != stored:
        os.environ.clear()
        os.environ.update(stored)


def _set_filters(stored: list[Any]) -> None:
    warnings.filters[:] = stored  # type: ignore[index]


PARTS: dict[str, Part] = {
    "torch's random state": Part(lambda: torch.get_rng_state().tolist(), lambda s: torch.set_rng_state(_bytes(s))),
    "numpy's random state": Part(lambda: _plain(np.random.get_state()), np.random.set_state),  # noqa: NPY002
    "Python's random state": Part(random.getstate, random.setstate),
    "torch's default dtype": Part(torch.get_default_dtype, torch.set_default_dtype),
    "torch's number of threads": Part(torch.get_num_threads, torch.set_num_threads),
    "torch's gradient mode": Part(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's deterministic mode": Part(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "numpy's error handling": Part(np.geterr, lambda s: np.seterr(**s)),
    "the working folder": Part(os.getcwd, os.chdir),
    "the warning filters": Part(lambda: list(warnings.filters), _set_filters),
    "the environment's variables": Part(lambda: dict(os.environ), _set_environment),
}


def changes(work: Callable[[], object]) -> list[str]:
    """Run `work` and name every part of the state that it changed; all of them are put back."""
    before = {name: part.read() for name, part in PARTS.items()}
    try:
        work()
        return [name for name, part in PARTS.items() if part.read() != before[name]]
    finally:
        for name, part in PARTS.items():
            part.restore(before[name])


@contextmanager
def preserved() -> Iterator[None]:
    """Put the state of the process back at the end."""
    before = {name: part.read() for name, part in PARTS.items()}
    try:
        yield
    finally:
        for name, part in PARTS.items():
            part.restore(before[name])


@contextmanager
def other_luck(number: int) -> Iterator[None]:
    """Different states of all global generators, so that whoever draws from them is found out."""
    with preserved():
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002
        random.seed(number)
        yield


def _bytes(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8)


def _plain(state: Any) -> tuple[Any, ...]:
    name, keys, *rest = state
    return (name, tuple(keys.tolist()), *rest)
