"""Methods compared over several tasks: mean ranks, and paired differences whose p-values are combined over tasks.

The unit is a group of tasks that share test patients, such as one cohort with different input modalities: each group
counts once, however many tasks it holds. Its z is the mean of its tasks' z, which is exact if the tasks agree fully and
conservative otherwise; groups are combined by Stouffer's method, weighted by the square root of their patients.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

import numpy as np

from uad_bench.boards.board import Board
from uad_bench.boards.overall_result import Overall, OverallMethod, OverallPair, TaskEffect, Tasks
from uad_bench.boards.ranking import AUPRC, LEVEL
from uad_bench.boards.result import MetricKey, Values
from uad_bench.boards.row import Row
from uad_bench.errors import ConfigError
from uad_bench.metrics.ranking import ranks_of
from uad_bench.metrics.significance import holm
from uad_bench.metrics.stouffer import nemenyi_difference, signed_z, stouffer_p
from uad_bench.metrics.uncertainty import t_interval

GAIN, PREVALENCE = MetricKey("auprc_gain"), MetricKey("prevalence")


def compare_over_tasks(boards: Mapping[str, Board]) -> Overall:
    """Compare the methods with results on at least two of these tasks.

    Args:
        boards: the board of raw maps by task.

    Raises:
        ConfigError: fewer than two tasks have ranks, or fewer than two methods have results on two of them.
    """
    known = {task: board for task, board in boards.items() if board.ranking.reason is None}
    left_out = tuple(f"{task} ({boards[task].ranking.reason})" for task in boards if task not in known)
    if len(known) < 2:
        found = ", ".join(known) or "none"
        raise ConfigError(f"an overall comparison needs at least two tasks whose board has ranks; found: {found}")
    return _Comparison({task: _TaskScores(board) for task, board in known.items()}).overall(left_out)


def patient_groups(patients: Mapping[str, frozenset[str]]) -> tuple[Tasks, ...]:
    """Tasks joined where they share a patient, directly or through other tasks."""
    groups: list[Tasks] = []
    for task, tested in patients.items():
        joined = [group for group in groups if any(tested & patients[other] for other in group)]
        groups = [*(group for group in groups if group not in joined), (*chain(*joined), task)]
    return tuple(groups)


@dataclass(frozen=True, eq=False)
class _TaskScores:
    """What one board contributes."""

    board: Board

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Ranked rows with an AUPRC gain, by label."""
        return {row.label: row for row in self.board.ranking.rows if row.number(GAIN).value is not None}

    @cached_property
    def patients(self) -> frozenset[str]:
        """Test patients, with the dataset's name, because ids are unique only in a dataset."""
        record = self.board.record
        return frozenset(f"{record.task.dataset}/{subject}" for subject in record.subjects.test)

    @cached_property
    def gains(self) -> dict[str, float]:
        """AUPRC gain by method."""
        return {name: row.number(GAIN).value or 0.0 for name, row in self.rows.items()}

    @cached_property
    def values(self) -> dict[str, Values]:
        """AUPRC gain (1 + R,) by method at the prevalence of the test set: its value, then draws for other patients."""
        ranking = self.board.ranking
        drawn = dict(zip((row.label for row in ranking.rows), ranking.draws, strict=True))
        return {
            name: np.concatenate([[self.gains[name]], self.gains[name] + _as_gain(drawn[name] - _auprc(row), row)])
            for name, row in self.rows.items()
        }

    def effect(self, task: str, first: str, second: str) -> TaskEffect:
        """The first method's difference to the second."""
        labels = [*self.rows]
        one, other = (_as_gain(_replicates(self.rows[name]), self.rows[name]) for name in (first, second))
        difference = self.gains[first] - self.gains[second]
        interval = t_interval(difference, one - other, n_patients=len(self.patients))
        return TaskEffect(
            task=task,
            difference=difference,
            low=interval.low,
            high=interval.high,
            p=float(self.board.ranking.raw[labels.index(first), labels.index(second)]),
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    scores: Mapping[str, _TaskScores]

    def overall(self, left_out: tuple[str, ...]) -> Overall:
        """The whole comparison."""
        methods = sorted(map(self._method, self._names), key=lambda m: (m.mean_rank is None, m.mean_rank or 0, m.name))
        names = [method.name for method in methods]
        found = [self._pair(*couple) for couple in combinations(names, 2) if self._shared(*couple)]
        p = holm(np.array([pair.p for pair in found]))
        pairs = tuple(pair.model_copy(update={"p": float(each)}) for pair, each in zip(found, p, strict=True))
        complete = [method.name for method in methods if method.mean_rank is not None]
        return Overall(
            groups=self._groups,
            patients=tuple(self._n_patients(group) for group in self._groups),
            methods=tuple(methods),
            pairs=pairs,
            ties=_ties(complete, {frozenset((pair.first, pair.second)) for pair in pairs if not pair.p >= LEVEL}),
            nemenyi=nemenyi_difference(len(complete), len(self._groups)) if len(complete) > 1 else None,
            left_out=left_out,
        )

    @cached_property
    def _names(self) -> list[str]:
        counts = Counter(name for scores in self.scores.values() for name in scores.rows)
        names = sorted(name for name, count in counts.items() if count > 1)
        if len(names) < 2:
            raise ConfigError(
                f"fewer than two methods have results on two of the tasks {', '.join(self.scores)}; "
                "run the same methods on them, or choose other tasks"
            )
        return names

    @cached_property
    def _groups(self) -> tuple[Tasks, ...]:
        return patient_groups({task: scores.patients for task, scores in self.scores.items()})

    @cached_property
    def _complete(self) -> list[str]:
        return [name for name in self._names if all(name in scores.rows for scores in self.scores.values())]

    @cached_property
    def _ranks(self) -> dict[str, Values]:
        """Ranks (M, 1 + R) of the complete methods by task: of the estimates, and in each draw for other patients."""
        if not self._complete:
            return {}
        return {
            task: ranks_of(np.stack([scores.values[name] for name in self._complete])).astype(np.float64)
            for task, scores in self.scores.items()
        }

    def _method(self, name: str) -> OverallMethod:
        gains = {task: self.scores[task].gains[name] for task in self._tasks if name in self.scores[task].rows}
        baseline = any(scores.rows[name].baseline for scores in self.scores.values() if name in scores.rows)
        ranks: dict[str, int] = {}
        mean_rank = low = high = None
        if name in self._complete:
            place = self._complete.index(name)
            ranks = {task: int(self._ranks[task][place, 0]) for task in self._tasks}
            mean = self._mean({task: drawn[place] for task, drawn in self._ranks.items()})
            mean_rank, (low, high) = float(mean[0]), _central(mean[1:])
        return OverallMethod(
            name=name, baseline=baseline, gains=gains, ranks=ranks, mean_rank=mean_rank, low=low, high=high
        )

    def _pair(self, one: str, other: str) -> OverallPair:
        """The pair, with p not adjusted."""
        tasks = self._shared(one, other)
        difference = float(self._mean({t: self._difference(t, one, other) for t in tasks})[0])
        first, second = (one, other) if difference >= 0 else (other, one)
        effects = tuple(self.scores[task].effect(task, first, second) for task in tasks)
        z = signed_z(np.array([e.p for e in effects]), np.array([e.difference for e in effects]))
        groups = [[tasks.index(task) for task in group if task in tasks] for group in self._groups]
        held = [group for group in groups if group]
        weights = np.sqrt([self._n_patients([tasks[k] for k in group]) for group in held])
        low, high = _central(self._mean({t: self._difference(t, first, second) for t in tasks})[1:])
        return OverallPair(
            first=first,
            second=second,
            effects=effects,
            difference=abs(difference),
            low=low,
            high=high,
            p=stouffer_p(np.array([z[group].mean() for group in held]), weights),
        )

    def _difference(self, task: str, first: str, second: str) -> Values:
        return self.scores[task].values[first] - self.scores[task].values[second]

    @cached_property
    def _tasks(self) -> Tasks:
        return tuple(chain(*self._groups))

    def _shared(self, one: str, other: str) -> list[str]:
        return [task for task in self._tasks if {one, other} <= {*self.scores[task].rows}]

    def _mean(self, values: Mapping[str, Values]) -> Values:
        """Mean over groups of the mean over the tasks of each."""
        held = [[values[task] for task in group if task in values] for group in self._groups]
        mean: Values = np.mean([np.mean(group, axis=0) for group in held if group], axis=0)
        return mean

    def _n_patients(self, tasks: Sequence[str]) -> int:
        return len(frozenset[str]().union(*(self.scores[task].patients for task in tasks)))


def _auprc(row: Row) -> float:
    value = row.number(AUPRC).value
    assert value is not None  # the row is ranked
    return value


def _replicates(row: Row) -> Values:
    """Jackknife replicates (n,) of the AUPRC."""
    replicates = row.replicates(AUPRC)
    assert replicates is not None  # the row is ranked
    return replicates


def _as_gain(auprc: Values, row: Row) -> Values:
    """Deviations of AUPRC in the unit of its gain."""
    return auprc / (1 - (row.number(PREVALENCE).value or 0.0))


def _central(draws: Values) -> tuple[float, float]:
    """The central 95 % of draws (R,)."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _ties(names: Sequence[str], different: set[frozenset[str]]) -> tuple[Tasks, ...]:
    """Longest runs of at least two consecutive names without a pair in `different`."""
    runs: list[Tasks] = []
    for start in range(len(names)):
        end = start + 1
        while end < len(names) and not any(frozenset((name, names[end])) in different for name in names[start:end]):
            end += 1
        if end - start > 1 and not any({*names[start:end]} <= {*run} for run in runs):
            runs.append(tuple(names[start:end]))
    return tuple(runs)
