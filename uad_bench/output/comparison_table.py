"""Tables of a comparison: ranks of the methods, and the difference of every pair."""

from rich.console import Group, RenderableType
from rich.text import Text

from uad_bench.boards.comparison import Comparison, PairComparison, sentences
from uad_bench.boards.sheet import Cell, Column, Sheet, Tone
from uad_bench.output.columns import DASH
from uad_bench.output.formats import TerminalView

METHODS = (
    Column("rank"),
    Column("method", numeric=False, identity=True),
    *map(Column, ("value", "seeds", "range over seeds")),
)
MEASURES = ("difference", "95 % CI (patients)", "95 % CI (patients + retraining)", "p", "mean per-patient difference")
PAIRS = (
    *(Column(name, numeric=False, identity=True) for name in ("first", "second")),
    *map(Column, (*MEASURES, "p (per patient)", "n for 80 % power")),
)
NOTE = (
    "p: Student's t over patients (jackknife); p (per patient): sign-flip test of the per-patient differences; each "
    "adjusted by Holm over all pairs. n for 80 % power: patients or seeds needed to detect a difference of this size"
)


def comparison_tables(comparison: Comparison) -> RenderableType:
    """Tables of methods and pairs, followed by a sentence per pair."""
    return Group(TerminalView(comparison_sheets(comparison)), *map(Text, sentences(comparison)))


def comparison_sheets(comparison: Comparison) -> tuple[Sheet, Sheet]:
    """The methods, best first, and the pairs."""
    return _methods(comparison), Sheet("Pairs", PAIRS, tuple(map(_pair, comparison.pairs)), (NOTE,))


def _methods(comparison: Comparison) -> Sheet:
    rows = []
    for scores, rank in zip(comparison.methods, comparison.ranks, strict=True):
        values = sorted(scores.values.values())
        spread = f"{values[0]:.3f} to {values[-1]:.3f}" if len(values) > 1 else DASH
        tone: Tone = "strong" if rank.first == rank.last == 1 else "plain"
        texts = (str(rank), scores.name, f"{scores.mean:.3f}", str(len(values)), spread)
        rows.append(tuple(Cell(text, tone) for text in texts))
    return Sheet(f"{comparison.metric}, best first", METHODS, tuple(rows))


def _pair(pair: PairComparison) -> tuple[Cell, ...]:
    patients = f"{pair.patients_needed} patients" if pair.patients_needed else ""
    seeds = f"{pair.seeds_needed} seeds" if pair.seeds_needed else ""
    texts = (
        pair.first,
        pair.second,
        f"{pair.difference:+.3f}",
        f"[{pair.low:+.3f}, {pair.high:+.3f}]",
        f"[{pair.retrained[0]:+.3f}, {pair.retrained[1]:+.3f}]" if pair.retrained else DASH,
        f"{pair.p:.4f}",
        DASH if pair.patient_difference is None else f"{pair.patient_difference:+.3f}",
        DASH if pair.patient_p is None else f"{pair.patient_p:.4f}",
        DASH if pair.shown else " or ".join(filter(None, (patients, seeds))) or DASH,
    )
    return tuple(Cell(text, "strong" if pair.shown else "plain") for text in texts)
