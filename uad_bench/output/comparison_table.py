"""A comparison as tables: ranks of the methods, then every pair with its difference."""

from rich.console import Group, RenderableType
from rich.text import Text

from uad_bench.boards.comparison import Comparison, Duel, sentences
from uad_bench.boards.sheet import Cell, Column, Sheet, Tone
from uad_bench.output.formats.terminal import TerminalView

METHODS = (
    Column("rank"),
    Column("method", numeric=False, identity=True),
    *map(Column, ("value", "seeds", "over seeds")),
)
PAIRS = (
    Column("first", numeric=False, identity=True),
    Column("second", numeric=False, identity=True),
    Column("difference"),
    Column("95 % CI (patients)"),
    Column("95 % CI (patients + retraining)"),
    Column("p"),
    Column("mean per-patient difference"),
    Column("p (per patient)"),
    Column("n for 80 % power"),
)
NOTE = (
    "p: paired bootstrap over patients, and sign flips of the per-patient differences, each adjusted by Holm over all "
    "pairs; n for 80 % power: patients or seeds with which 80 % of studies would show a difference of this size"
)


def comparison_tables(comparison: Comparison) -> RenderableType:
    """Methods, pairs, and the answer in words."""
    return Group(TerminalView(comparison_sheets(comparison)), *map(Text, sentences(comparison)))


def comparison_sheets(comparison: Comparison) -> tuple[Sheet, Sheet]:
    """The methods, best first, and the pairs."""
    return _methods(comparison), Sheet("Pairs", PAIRS, tuple(map(_pair, comparison.duels)), (NOTE,))


def _methods(comparison: Comparison) -> Sheet:
    rows = []
    for contestant, rank in zip(comparison.contestants, comparison.ranks, strict=True):
        values = sorted(contestant.values.values())
        spread = f"{values[0]:.3f} to {values[-1]:.3f}" if len(values) > 1 else "–"
        tone: Tone = "strong" if rank.first == rank.last == 1 else "plain"
        texts = (str(rank), contestant.name, f"{contestant.mean:.3f}", str(len(values)), spread)
        rows.append(tuple(Cell(text, tone) for text in texts))
    return Sheet(f"{comparison.metric}, best first", METHODS, tuple(rows))


def _pair(duel: Duel) -> tuple[Cell, ...]:
    patients = f"{duel.patients_needed} patients" if duel.patients_needed else ""
    seeds = f"{duel.seeds_needed} seeds" if duel.seeds_needed else ""
    texts = (
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
    return tuple(Cell(text, "strong" if duel.shown else "plain") for text in texts)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
