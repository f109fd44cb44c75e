"""Tables and sentences of a comparison over several tasks, also for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from uad_bench.boards.overall_result import Overall, OverallMethod, OverallPair
from uad_bench.boards.row import SeedMean
from uad_bench.boards.sheet import Cell, Column, Sheet, Tone
from uad_bench.metrics.significance import p_text
from uad_bench.output.columns import DASH, write_value
from uad_bench.output.formats import TerminalView

PAIRS = (
    Column("first", numeric=False, identity=True),
    Column("second", numeric=False, identity=True),
    *map(Column, ("better on", "worse on", "difference in AUPRC gain", "95 % CI (patients)", "combined p")),
)
PAIR_NOTE = (
    "combined p: Stouffer's method over the tasks' p with their directions, adjusted by Holm over all "
    "pairs. Tasks that share test patients count once: their z are averaged, which is conservative, and each group of "
    "tasks is weighted by the square root of its patients. Better and worse count the tasks by the sign of the "
    "difference, whether significant or not."
)


def summary(overall: Overall) -> list[str]:
    """The statement on ties, followed by the comparison of the first method with each other one."""
    first = overall.methods[0].name
    return [overall.statement, *(pair.sentence for pair in overall.pairs if first in {pair.first, pair.second})]


def overall_sheets(overall: Overall) -> tuple[Sheet, Sheet]:
    """The methods, lowest mean rank first, and all pairs."""
    columns = (Column("method", numeric=False, identity=True), *map(Column, ("mean rank", *overall.tasks)))
    rows = tuple(_method(method, overall.tasks) for method in overall.methods)
    methods = Sheet(f"Over {len(overall.tasks)} tasks: AUPRC gain (rank)", columns, rows, notes(overall))
    return methods, Sheet("Pairs", PAIRS, tuple(map(_pair, overall.pairs)), (PAIR_NOTE,))


def notes(overall: Overall) -> tuple[str, ...]:
    """How the table of methods was made."""
    groups = "; ".join(
        f"{', '.join(group)} ({n} patients)" for group, n in zip(overall.groups, overall.patients, strict=True)
    )
    complete = sum(method.mean_rank is not None for method in overall.methods)
    drawn = "95 % CI of the mean rank: 2,000 draws for other patients of each task, the same for all tasks of a group."
    return (
        f"Groups of tasks with the same test patients: {groups}. Each group counts once in mean ranks.",
        f"Ranks: among the {complete} methods with results on every task. {drawn}",
        "AUPRC gain: (AUPRC - prevalence) / (1 - prevalence); 0 for an uninformative map.",
        *([f"Left out: {', '.join(overall.left_out)}."] if overall.left_out else []),
    )


def _method(method: OverallMethod, tasks: Sequence[str]) -> tuple[Cell, ...]:
    tone: Tone = "quiet" if method.baseline else "plain"
    ranked = (("mean_rank", method.mean_rank), ("mean_rank_low", method.low), ("mean_rank_high", method.high))
    mean = DASH if method.mean_rank is None else f"{method.mean_rank:.1f} [{method.low:.1f}, {method.high:.1f}]"
    return (
        Cell(method.name, tone, (("method", method.name), ("baseline", int(method.baseline)))),
        Cell(mean, values=ranked),
        *(_on_task(method, task) for task in tasks),
    )


def _on_task(method: OverallMethod, task: str) -> Cell:
    gain, rank = method.gains.get(task), method.ranks.get(task)
    text = write_value(SeedMean(gain)) + (f" ({rank})" if rank else "")
    tone: Tone = "best" if rank == 1 else "plain"
    return Cell(text, tone, ((f"auprc_gain_{task}", gain), (f"rank_{task}", rank)))


def _pair(pair: OverallPair) -> tuple[Cell, ...]:
    n = len(pair.effects)
    better, worse = (sum(sign * effect.difference > 0 for effect in pair.effects) for sign in (1, -1))
    interval, difference = f"[{pair.low:+.3f}, {pair.high:+.3f}]", f"{pair.difference:+.3f}"
    texts = (pair.first, pair.second, f"{better} of {n}", str(worse), difference, interval, p_text(pair.p))
    names = ("first", "second", "better", "worse", "difference", None, "p")
    values = (pair.first, pair.second, better, worse, pair.difference, None, pair.p)
    tone: Tone = "strong" if pair.p < 0.05 else "plain"
    return tuple(
        Cell(text, tone, ((name, value),) if name else (("low", pair.low), ("high", pair.high)))
        for text, name, value in zip(texts, names, values, strict=True)
    )


def overall_view(overall: Overall) -> RenderableType:
    """The table of methods, the statement on ties, and the best method against each other one."""
    return Group(TerminalView(overall_sheets(overall)[:1]), *map(Text, summary(overall)))
