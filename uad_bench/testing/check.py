"""One check: a claim about a method, how it is tried, and which checks must hold for it to mean anything."""

from __future__ import annotations

import time
import traceback
import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uad_bench.execution.process_state import preserved
from uad_bench.testing.candidate import Candidate
from uad_bench.testing.result import Result, Status


class ContractViolation(AssertionError):  # noqa: N818 - pytest shows its name
    """A method breaks the contract; says how and what to do."""


class NotApplicable(Exception):  # noqa: N818 - no error
    """The check has nothing to try on this method."""


class Noted(Exception):  # noqa: N818 - no error
    """Nothing is broken, but readers of the method's numbers should know this."""


@dataclass(frozen=True, slots=True)
class Check:
    """A named claim; call it with a method to have it tried.

    Attributes:
        run: raises `ContractViolation`, `NotApplicable` or `Noted`, or anything else where the method crashes.
        requires: checks without which this one says nothing; it is skipped where one of them fails.
    """

    run: Callable[[Candidate], object]
    requires: tuple[Check, ...] = ()

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.run.__name__

    @property
    def claim(self) -> str:
        """What a method that passes can say of itself."""
        return (self.run.__doc__ or "").partition("\n")[0]

    def __call__(self, method: Any) -> None:
        """Try a method: a class, an object, a registered name, a plugin file or a `Candidate`.

        Raises:
            ContractViolation: it breaks the claim, excused or not.
            unittest.SkipTest: the check does not apply; pytest shows it as skipped.
        """
        found = self.found(Candidate.of(method))
        if found.status == "failed":
            raise ContractViolation(f"{self.name}: {found.message}")
        if found.status == "skipped":
            raise unittest.SkipTest(found.message)

    def result(self, candidate: Candidate) -> Result:
        """What this check finds, with the excuses that the method declares applied."""
        found = self.found(candidate)
        reason = candidate.excused.get(self.name)
        if reason is None or found.status == "skipped":
            return found
        if found.status == "failed":
            return replace(found, status="excused", message=reason)
        needless = f"passes, although excused_checks says {reason!r}; remove the excuse"
        return replace(found, status="failed", message=needless)

    def found(self, candidate: Candidate) -> Result:
        """What this check finds; tried once per candidate."""
        if self.name not in candidate.results:
            started = time.perf_counter()
            status, message = self._try(candidate)
            candidate.results[self.name] = Result(self.name, status, message, time.perf_counter() - started)
        return candidate.results[self.name]

    def _try(self, candidate: Candidate) -> tuple[Status, str]:
        broken = [c.name for c in self.requires if c.found(candidate).status == "failed"]
        if broken:
            return "skipped", f"not tried, because {', '.join(broken)} fails"
        try:
            with preserved():
                self.run(candidate)
        except NotApplicable as reason:
            return "skipped", str(reason)
        except Noted as note:
            return "noted", str(note)
        except ContractViolation as violation:
            return "failed", str(violation)
        except Exception as error:  # noqa: BLE001 - a crash in the method is what the check found
            return "failed", _crash(error)
        return "passed", ""


def run_checks(method: Any, checks: Sequence[Check]) -> Iterator[Result]:
    """The results of all checks on one method, as they come."""
    candidate = Candidate.of(method)
    return (check.result(candidate) for check in checks)


def _crash(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno}, in {frame.name})"
