"""The answer that a run ends with: whether the method is better than the strongest untrained baseline beside it."""

from collections.abc import Sequence
from pathlib import Path

from uad_bench.boards.comparison import CLAIMED_SEEDS, PairComparison, compare
from uad_bench.metrics.significance import p_text
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord

KEY = "auprc@all/pooled"


def verdict(records: Sequence[RunRecord], runs: Path) -> str:
    """A sentence on the last record against the others, which are the baselines; empty where they cannot be compared.

    Args:
        records: as returned by a run.
        runs: the runs folder, with their replicates and metrics per patient.
    """
    comparable = [record for record in records if record.bootstrap and KEY in record.bootstrap.metrics]
    if len(comparable) < 2 or comparable[-1] is not records[-1]:
        return ""
    *baselines, main = comparable
    strongest = max(baselines, key=lambda record: record.value("auprc") or 0.0)
    (pair,) = compare([Run(runs / main.run), Run(runs / strongest.run)]).pairs
    return _sentence(pair, main, strongest.method.name)


def _sentence(pair: PairComparison, main: RunRecord, baseline: str) -> str:
    name = main.method.name
    sign = 1 if pair.second == baseline else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    relation = "not significantly better" if not pair.shown else "significantly " + ("better", "worse")[sign < 0]
    numbers = f"{sign * pair.difference:+.3f} AUPRC [{low:.3f}, {high:.3f}], {p_text(pair.p)}"
    return f"{name} is {relation} than {baseline}, the strongest baseline here: {numbers}{_reservation(pair, main)}."


def _reservation(pair: PairComparison, main: RunRecord) -> str:
    """How many patients are lacking for a difference that is not significant; for others, the seeds lacking."""
    if pair.shown:
        return f"; run at least {CLAIMED_SEEDS} seeds before claiming it" if main.method.fit else ""
    lacking = (pair.patients_needed or 0) - pair.n_patients
    return f"; about {lacking} more patients would be needed to show a difference of this size" if lacking > 0 else ""
