"""Conformance checks: a named function that tests one property of a method, and the checks that it requires."""

import time
import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from uad_bench.errors import where_raised
from uad_bench.execution.process_state import preserved
from uad_bench.testing.candidate import Candidate, Result, Status

CLOSE = 1e-4  # of the largest score: above rounding of convolutions, too small to affect a threshold


class ContractViolation(AssertionError):  # noqa: N818 - pytest shows its name
    """A method breaks the contract; the message says how, and how to fix it."""


class NotApplicable(Exception):  # noqa: N818 - no error
    """The check does not apply to this method."""


class Noted(Exception):  # noqa: N818 - no error
    """The method keeps the contract, but has a property that readers of its results should know."""


@dataclass(frozen=True, slots=True)
class Check:
    """A named check; call it with a method to run it.

    Attributes:
        run: raises `ContractViolation`, `NotApplicable` or `Noted`, or any other exception if the method crashes.
        requires: checks that must pass for this one to be meaningful; if one of them fails, this one is skipped.
    """

    run: Callable[[Candidate], object]
    requires: tuple["Check", ...] = ()

    @property
    def name(self) -> str:
        """Name in reports."""
        return self.run.__name__

    def __call__(self, method: Any) -> None:
        """Run the check on a method: a class, an object, a registered name, a plugin file or a `Candidate`.

        Raises:
            ContractViolation: the check fails, excused or not.
            unittest.SkipTest: the check does not apply; pytest reports it as skipped.
        """
        found = self.found(Candidate.of(method))
        if found.status == "failed":
            raise ContractViolation(f"{self.name}: {found.message}")
        if found.status == "skipped":
            raise unittest.SkipTest(found.message)

    def result(self, candidate: Candidate) -> Result:
        """The result of this check, with the method's declared excuses applied."""
        found = self.found(candidate)
        reason = candidate.excused.get(self.name)
        if reason is None or found.status == "skipped":
            return found
        if found.status == "failed":
            return replace(found, status="excused", message=reason)
        needless = f"passes, although excused_checks gives the reason {reason!r}; remove the excuse"
        return replace(found, status="failed", message=needless)

    def found(self, candidate: Candidate) -> Result:
        """The result of this check without excuses; it runs once per candidate."""
        if self.name not in candidate.results:
            started = time.perf_counter()
            status, message = self._try(candidate)
            candidate.results[self.name] = Result(self.name, status, message, time.perf_counter() - started)
        return candidate.results[self.name]

    def _try(self, candidate: Candidate) -> tuple[Status, str]:
        broken = [c.name for c in self.requires if c.found(candidate).status == "failed"]
        if broken:
            return "skipped", f"requires {', '.join(broken)}, which failed"
        try:
            with preserved():
                self.run(candidate)
        except NotApplicable as reason:
            return "skipped", str(reason)
        except Noted as note:
            return "noted", str(note)
        except ContractViolation as violation:
            return "failed", str(violation)
        except Exception as error:  # noqa: BLE001 - a crash of the method is a failed check
            return "failed", f"{type(error).__name__}: {error} ({where_raised(error)})"
        return "passed", ""


def run_checks(method: Any, checks: Sequence[Check]) -> Iterator[Result]:
    """Run all checks on one method, yielding results as they become available."""
    candidate = Candidate.of(method)
    return (check.result(candidate) for check in checks)


def are_close(found: Tensor, expected: Tensor) -> bool:
    """Whether the scores are equal up to rounding."""
    return _difference(found, expected) <= CLOSE


def require_equal(found: Tensor, expected: Tensor, sentence: str) -> None:
    """Raise `ContractViolation` with this sentence and the size of the difference, unless the scores are close."""
    if not are_close(found, expected):
        difference = _difference(found, expected)
        raise ContractViolation(f"{sentence} (scores differ by up to {difference:.2g} of the largest)")


def _difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected score."""
    scale = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    return float((found - expected).abs().max() / scale)
