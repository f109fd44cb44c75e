"""All checks, in the order in which they are best read, each with the checks that it builds on."""

from __future__ import annotations

from collections.abc import Iterator

from uad_bench.testing import conduct, independence, learning, meaning, output
from uad_bench.testing.check import Check

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
    Check(meaning.polarity, STABLE),
    DETERMINISM,
    SLICE_ORDER,
    Check(independence.batch_size, (*STABLE, SLICE_ORDER)),
    Check(independence.other_cases, STABLE),
    Check(independence.per_slice_scale, SOUND),
    Check(learning.score_before_fit, RUNS),
    Check(learning.refit, STABLE),
    Check(learning.state_round_trip, STABLE),
    Check(learning.budget, RUNS),
    Check(conduct.inputs_unchanged, RUNS),
    Check(conduct.label_access, RUNS),
    Check(conduct.global_state, STABLE),
    Check(meaning.hidden_smoothing, STABLE),
)


def method_checks() -> Iterator[Check]:
    """Every check; call one with a method, or hand them to `run_checks`."""
    yield from CHECKS
