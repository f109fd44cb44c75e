"""The checks as test cases of pytest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from uad_bench.testing.candidate import Candidate
from uad_bench.testing.catalogue import method_checks

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(methods: Sequence[Any]) -> pytest.MarkDecorator:
    """A decorator that runs a test once for every method and check, with arguments `method` and `check`.

    Methods are classes, objects, registered names or plugin files. Checks that a method lists in `excused_checks`
    are expected to fail, strictly: an excuse that is no longer needed fails the test.

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
