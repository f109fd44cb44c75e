"""What checking a stored run says: each thing that is not what it should be, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    """

    run: str
    numbers: int
    findings: tuple[Finding, ...]
    unverifiable: str = ""
    failed: bool = False

    def __str__(self) -> str:
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
        }

    @property
    def exit_code(self) -> int:
        """0 sound, 5 something differs, 3 nothing to recompute from."""
        return 5 if self.findings else 3 if self.unverifiable else 0
