"""The conformance kit: small named checks that tell a method's author what breaks the contract, and how to mend it.

Three doors lead to the same checks: `uad-bench check-method NAME|FILE`, `method_checks()`, and, for a test suite,
`@parametrize_with_checks([MyMethod])`. They run on tiny slices in memory, on a CPU, in seconds.
"""

from uad_bench.testing.candidate import Candidate
from uad_bench.testing.catalogue import method_checks
from uad_bench.testing.check import Check, ContractViolation, run_checks
from uad_bench.testing.parametrize import parametrize_with_checks
from uad_bench.testing.result import Result

__all__ = [
    "Candidate",
    "Check",
    "ContractViolation",
    "Result",
    "method_checks",
    "parametrize_with_checks",
    "run_checks",
]
