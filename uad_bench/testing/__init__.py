"""The conformance kit: named checks that tell the author of a method what breaks the contract, and how to fix it.

They are available as `uad-bench check-method NAME|FILE`, as `method_checks()`, and for a test suite as
`@parametrize_with_checks([MyMethod])`. They run on tiny slices in memory, and take seconds on a CPU.
"""

from uad_bench.testing.candidate import Candidate, Result
from uad_bench.testing.catalogue import method_checks, parametrize_with_checks
from uad_bench.testing.check import Check, ContractViolation, run_checks

__all__ = [
    "Candidate",
    "Check",
    "ContractViolation",
    "Result",
    "method_checks",
    "parametrize_with_checks",
    "run_checks",
]
