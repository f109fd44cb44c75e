"""Global state that a method must not change: seeds, dtype, threads, working directory, warnings, environment."""

import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class Accessor(NamedTuple):
    """Reads and restores one part of the state."""

    read: Callable[[], Any]
    restore: Callable[[Any], object]


def _set_environment(stored: dict[str, str]) -> None:
    if dict(os.environ) != stored:
        os.environ.clear()
        os.environ.update(stored)


def _set_filters(stored: list[Any]) -> None:
    warnings.filters[:] = stored  # type: ignore[index]


PARTS: dict[str, Accessor] = {
    "torch's random state": Accessor(
        lambda: torch.get_rng_state().tolist(), lambda s: torch.set_rng_state(torch.ByteTensor(s))
    ),
    "numpy's random state": Accessor(lambda: _plain(np.random.get_state()), np.random.set_state),  # noqa: NPY002
    "Python's random state": Accessor(random.getstate, random.setstate),
    "torch's default dtype": Accessor(torch.get_default_dtype, torch.set_default_dtype),
    "torch's number of threads": Accessor(torch.get_num_threads, torch.set_num_threads),
    "torch's gradient mode": Accessor(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's deterministic mode": Accessor(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "numpy's error handling": Accessor(np.geterr, lambda s: np.seterr(**s)),
    "the working folder": Accessor(os.getcwd, os.chdir),
    "the warning filters": Accessor(lambda: list(warnings.filters), _set_filters),
    "the environment's variables": Accessor(lambda: dict(os.environ), _set_environment),
}


def changes(work: Callable[[], object]) -> list[str]:
    """Run `work` and return the parts of the state that it changed; the state is restored."""
    with preserved():
        before = {name: part.read() for name, part in PARTS.items()}
        work()
        return [name for name, part in PARTS.items() if part.read() != before[name]]


@contextmanager
def preserved() -> Iterator[None]:
    """Restore the state of the process on exit."""
    before = {name: part.read() for name, part in PARTS.items()}
    try:
        yield
    finally:
        for name, part in PARTS.items():
            part.restore(before[name])


@contextmanager
def global_seeds(number: int) -> Iterator[None]:
    """Seed all global random generators, to reveal methods that draw from them; their state is restored on exit."""
    with preserved():
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002
        random.seed(number)
        yield


def _plain(state: Any) -> tuple[Any, ...]:
    name, keys, *rest = state
    return (name, tuple(keys.tolist()), *rest)
