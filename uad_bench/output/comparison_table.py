"""A comparison as tables: ranks of the methods, then every pair with its difference."""

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from uad_bench.boards.comparison import Comparison, Duel, sentence

HEADINGS = (
    "first", "second", "difference", "these models", "trained again", "p", "a patient", "p a patient", "needs"
)  # fmt: skip


def comparison_tables(comparison: Comparison) -> Group:
    """Methods, pairs, and the answer in words."""
    words = "\n".join(sentence(duel, comparison) for duel in comparison.duels)
    return Group(_methods(comparison), _pairs(comparison), escape(words))


def _methods(comparison: Comparison) -> Table:
    table = Table(title=f"{comparison.metric}, best first", title_justify="left")
    for heading in ("rank", "method", "value", "seeds", "over seeds"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for contestant, rank in zip(comparison.contestants, comparison.ranks, strict=True):
        values = sorted(contestant.values.values())
        spread = f"{values[0]:.3f} to {values[-1]:.3f}" if len(values) > 1 else "–"
        alone = rank.first == rank.last == 1
        cells = (str(rank), contestant.name, f"{contestant.mean:.3f}", str(len(values)), spread)
        table.add_row(*map(escape, cells), style="bold" if alone else None)
    return table


def _pairs(comparison: Comparison) -> Table:
    table = Table(title="pairs", title_justify="left", caption_justify="left")
    headings = (
        "first",
        "second",
        "difference",
        "these models",
        "trained again",
        "p",
        "a patient",
        "p a patient",
        "needs",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"first", "second"} else "right")
    for duel in comparison.duels:
        table.add_row(*map(escape, _cells(duel)), style="bold" if duel.shown else None)
    table.caption = (
        "intervals: 95 %, patients resampled alike for all, and of models trained again where there are several seeds; "
        "p: paired bootstrap, and sign flips over patients, both adjusted by Holm over all pairs; "
        "needs: patients or seeds that would show the difference in 80 % of studies"
    )
    return table


def _cells(duel: Duel) -> tuple[str, ...]:
    patients = f"{duel.patients_needed} patients" if duel.patients_needed else ""
    seeds = f"{duel.seeds_needed} seeds" if duel.seeds_needed else ""
    return (
        duel.first,
        duel.second,
        f"{duel.difference:+.3f}",
        f"[{duel.low:+.3f}, {duel.high:+.3f}]",
        f"[{duel.retrained[0]:+.3f}, {duel.retrained[1]:+.3f}]" if duel.retrained else "–",
        _number(duel.p, "{:.4f}"),
        _number(duel.patient_difference, "{:+.3f}"),
        _number(duel.patient_p, "{:.4f}"),
        "–" if duel.shown else " or ".join(filter(None, (patients, seeds))) or "–",
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
