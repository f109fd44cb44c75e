"""Results of verifying a stored run: findings and verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-9  # relative; both implementations sum the same numbers in a different order


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy in a stored run."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying one run.

    Attributes:
        numbers: how many numbers were recomputed.
        findings: discrepancies; empty for an intact run.
        unverifiable: why numbers could not be recomputed; empty otherwise.
        failed: whether the method failed, so that there are no numbers.
        unchecked: additional results that were not recomputed.
        within: the tolerance, if the numbers were recomputed from rounded maps.
    """

    run: str
    numbers: int
    findings: tuple[Finding, ...]
    unverifiable: str = ""
    failed: bool = False
    unchecked: tuple[str, ...] = ()
    within: float | None = None

    def __str__(self) -> str:
        return "\n".join([self._verdict(), *(f"{self.run}: {name}: not verified" for name in self.unchecked)])

    def _verdict(self) -> str:
        if self.findings:
            return "\n".join(f"{self.run}: {finding}" for finding in self.findings)
        if self.unverifiable:
            return f"{self.run}: unverifiable, {self.unverifiable}"
        if self.failed:
            return f"{self.run}: failed, no numbers to verify"
        if self.within:
            return f"{self.run}: {self.numbers} numbers verified to {self.within:g}, from maps rounded to 16 bits"
        return f"{self.run}: {f'{self.numbers} numbers verified' if self.numbers else 'unchanged since it was written'}"

    def to_json(self) -> dict[str, Any]:
        """The result as JSON-compatible values."""
        findings = [{"where": finding.where, "what": finding.what} for finding in self.findings]
        return {
            "run": self.run,
            "verified": not findings and not self.unverifiable,
            "numbers": self.numbers,
            "findings": findings,
            "unverifiable": self.unverifiable or None,
            "not_verified": list(self.unchecked),
        }

    @property
    def exit_code(self) -> int:
        """0 if verified, 5 if something differs, 3 if the numbers cannot be recomputed."""
        return 5 if self.findings else 3 if self.unverifiable else 0


def differs(where: str, stored: float | None, again: float, *, within: float = TOLERANCE) -> Iterator[Finding]:
    """A finding if a stored number differs from the recomputed one; None and NaN are equal."""
    value = math.nan if stored is None else float(stored)
    both_undefined = math.isnan(value) and math.isnan(again)
    if not both_undefined and not math.isclose(value, again, rel_tol=within, abs_tol=within):
        yield Finding(where, f"is {value:.17g}, recomputed {again:.17g}")
