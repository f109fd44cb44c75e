"""What checking a stored run says: each thing that is not what it should be, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-9  # relative; both roads sum the same numbers in another order


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what it should be."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying one run found.

    Attributes:
        numbers: how many were recomputed.
        findings: what differs; empty for a sound run.
        unverifiable: why numbers could not be recomputed, else empty.
        failed: the run has no numbers, because its method failed.
        unchecked: results beside the run's own that were not recomputed.
    """

    run: str
    numbers: int
    findings: tuple[Finding, ...]
    unverifiable: str = ""
    failed: bool = False
    unchecked: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self._verdict(), *(f"{self.run}: {name}: not verified" for name in self.unchecked)])

    def _verdict(self) -> str:
        if self.findings:
            return "\n".join(f"{self.run}: {finding}" for finding in self.findings)
        if self.unverifiable:
            return f"{self.run}: unverifiable, {self.unverifiable}"
        if self.failed:
            return f"{self.run}: failed, no number to verify"
        return f"{self.run}: {f'{self.numbers} numbers verified' if self.numbers else 'as it was written'}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
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
        """0 sound, 5 something differs, 3 nothing to recompute from."""
        return 5 if self.findings else 3 if self.unverifiable else 0


def differs(where: str, stored: float | None, again: float, *, within: float = TOLERANCE) -> Iterator[Finding]:
    """A finding where a stored number is not the recomputed one; None and NaN are equal."""
    value = math.nan if stored is None else float(stored)
    both_undefined = math.isnan(value) and math.isnan(again)
    if not both_undefined and not math.isclose(value, again, rel_tol=within, abs_tol=within):
        yield Finding(where, f"says {value:.17g}, the maps give {again:.17g}")
