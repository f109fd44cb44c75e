"""All checks in the order of reports, each with the checks that it requires, also as pytest cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from uad_bench.testing import independence, learning, output
from uad_bench.testing.candidate import Candidate
from uad_bench.testing.check import Check

if TYPE_CHECKING:
    import pytest

CONTRACT = Check(output.contract)
RUNS = (CONTRACT,)
SHAPE, DTYPE, DEVICE = (Check(tried, RUNS) for tried in (output.shape, output.dtype, output.device))
FINITE = Check(output.finite, (CONTRACT, DEVICE))
SOUND = (CONTRACT, SHAPE, DEVICE, FINITE)
DETERMINISM = Check(independence.determinism, SOUND)
STABLE = (*SOUND, DETERMINISM)
SLICE_ORDER = Check(independence.slice_order, STABLE)

CHECKS = (
    CONTRACT,
    SHAPE,
    DTYPE,
    DEVICE,
    FINITE,
    Check(output.empty_brain, SOUND),
    Check(output.odd_sizes, SOUND),
    Check(output.polarity, STABLE),
    DETERMINISM,
    SLICE_ORDER,
    Check(independence.batch_size, (*STABLE, SLICE_ORDER)),
    Check(independence.other_cases, STABLE),
    Check(independence.per_slice_scale, SOUND),
    Check(learning.score_before_fit, RUNS),
    Check(learning.refit, STABLE),
    Check(learning.state_round_trip, STABLE),
    Check(learning.budget, RUNS),
    Check(learning.inputs_unchanged, RUNS),
    Check(learning.label_access, RUNS),
    Check(learning.global_state, STABLE),
    Check(output.reconstruction, STABLE),
    Check(output.hidden_smoothing, STABLE),
)


def method_checks() -> Iterator[Check]:
    """All checks; call one with a method, or pass them to `run_checks`."""
    yield from CHECKS


def parametrize_with_checks(methods: Sequence[Any]) -> pytest.MarkDecorator:
    """Pytest decorator that runs a test once per method and check, with the arguments `method` and `check`.

    Methods are classes, objects, registered names or plugin files. Checks listed in a method's `excused_checks` are
    expected to fail (strictly: an unnecessary excuse fails the test).

    Example:
        ```python
        @parametrize_with_checks([MyMethod])
        def test_contract(method, check):
            check(method)
        ```
    """
    import pytest

    return pytest.mark.parametrize(("method", "check"), list(_cases(methods)))


def _cases(methods: Sequence[Any]) -> Iterator[Any]:
    import pytest

    for candidate in map(Candidate.of, methods):
        for check in method_checks():
            reason = candidate.excused.get(check.name)
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            yield pytest.param(candidate, check, id=f"{candidate.name}-{check.name}", marks=marks)
