"""What a comparison over several tasks finds: typed documents, written as JSON."""

from itertools import chain

from uad_bench.boards.ranking import LEVEL
from uad_bench.metrics.significance import p_text
from uad_bench.runs.document import Document

Tasks = tuple[str, ...]


class TaskEffect(Document):
    """Difference of two methods on one task.

    Attributes:
        difference: of the AUPRC gains, first minus second.
        low: lower end of the 95 % interval over patients.
        p: of the difference in AUPRC, not adjusted.
    """

    task: str
    difference: float
    low: float
    high: float
    p: float


class OverallPair(Document):
    """Two methods over all tasks on which both have results.

    Attributes:
        difference: mean over groups of tasks; `low` and `high` are its 95 % interval over patients.
        p: combined over tasks and adjusted by Holm over all pairs.
    """

    first: str
    second: str
    effects: tuple[TaskEffect, ...]
    difference: float
    low: float
    high: float
    p: float

    @property
    def sentence(self) -> str:
        """On how many tasks the first method is better, on which it is worse, and the combined p."""
        better = [effect for effect in self.effects if effect.difference > 0]
        worse = [effect.task for effect in self.effects if effect.difference < 0]
        clear = sum(effect.p < LEVEL for effect in better)
        return (
            f"{self.first} is better than {self.second} on {len(better)} of {len(self.effects)} tasks, significantly "
            f"on {clear or 'none'}; worse on {', '.join(worse) or 'none'}; combined {p_text(self.p)}."
        )


class OverallMethod(Document):
    """One method over the tasks.

    Attributes:
        gains: AUPRC gain by task, (AUPRC - prevalence) / (1 - prevalence).
        ranks: rank by task among the methods with results on every task.
        mean_rank: over groups of tasks; None if it lacks a task.
        low: lower end of the 95 % interval of the mean rank over patients.
    """

    name: str
    baseline: bool
    gains: dict[str, float]
    ranks: dict[str, int]
    mean_rank: float | None
    low: float | None
    high: float | None


class Overall(Document):
    """Methods over several tasks.

    Attributes:
        groups: tasks that share test patients.
        patients: number of different test patients of each group.
        methods: lowest mean rank first, then those that lack a task.
        pairs: every pair, the better method first.
        ties: longest runs of methods in this order among which no combined difference is significant.
        nemenyi: difference of mean ranks that would be significant if nothing but ranks were known.
    """

    groups: tuple[Tasks, ...]
    patients: tuple[int, ...]
    methods: tuple[OverallMethod, ...]
    pairs: tuple[OverallPair, ...]
    ties: tuple[Tasks, ...]
    nemenyi: float | None
    left_out: tuple[str, ...] = ()

    @property
    def tasks(self) -> Tasks:
        """Tasks, group by group."""
        return tuple(chain(*self.groups))

    def pair(self, one: str, other: str) -> OverallPair | None:
        """The comparison of two methods, in either order; None if they share no task."""
        return next((pair for pair in self.pairs if {pair.first, pair.second} == {one, other}), None)

    @property
    def statement(self) -> str:
        """Which methods cannot be distinguished."""
        runs = "; ".join(", ".join(run) for run in self.ties) or "none"
        alone = (
            f" By ranks alone, mean ranks on {len(self.groups)} groups of tasks would have to differ by "
            f"{self.nemenyi:.1f} (Nemenyi)."
            if self.nemenyi
            else ""
        )
        return f"In order of mean rank, no significant difference over all tasks among: {runs}.{alone}"
