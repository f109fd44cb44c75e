"""The cost section of a record, computed from logged events; None where not measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean

from uad_bench.runs.document import Document
from uad_bench.runs.events import Event, Fit, Scored, Spent, Start, fitted_of

Reduce = Callable[[list[float]], float]


class Cost(Document):
    """Time and memory of a run.

    Attributes:
        fit_s: wall time of training in seconds, in the process that completed it.
        score_s_per_slice: wall time of one rank in seconds, without the first subject of each process.
        score_s_per_volume: likewise.
        cpu_s: CPU time of training and scoring in seconds, all ranks and threads.
        gpu_s: GPU time in seconds, all ranks; None on a CPU.
        peak_rss_mib: of the largest process; `peak_cuda_mib` likewise.
        ranks: processes that shared the work.
        resumed: whether training or scoring was resumed, so that `fit_s` may not include earlier attempts.
    """

    fit_s: float | None = None
    score_s_per_slice: float | None = None
    score_s_per_volume: float | None = None
    cpu_s: float | None = None
    gpu_s: float | None = None
    peak_rss_mib: float | None = None
    peak_cuda_mib: float | None = None
    ranks: int = 1
    resumed: bool = False


def cost_of(events: Sequence[Event]) -> Cost:
    """Compute the cost of a run."""
    fits = [event for event in events if isinstance(event, Fit)][-1:]
    scored = {event.subject: event for event in events if isinstance(event, Scored)}
    warm = list(_warm(events)) or list(scored.values())
    slices = sum(event.slices for event in warm)
    work = [*fits, *scored.values()]
    return Cost(
        fit_s=fits[0].seconds if fits else None,
        score_s_per_slice=sum(event.seconds for event in warm) / slices if slices else None,
        score_s_per_volume=fmean(event.seconds for event in warm) if warm else None,
        cpu_s=_of_known(sum, cpu) if None not in (cpu := [event.cpu_seconds for event in work]) else None,
        gpu_s=_gpu_seconds(work),
        peak_rss_mib=_of_known(max, (event.peak_rss_mib for event in work)),
        peak_cuda_mib=_of_known(max, (event.peak_cuda_mib for event in work)),
        ranks=fitted_of(events).ranks,
        resumed=sum(isinstance(event, Start) for event in events) > 1,
    )


def cost_of_folds(costs: Sequence[Cost]) -> Cost:
    """Combine the costs of folds: total times, maximum memory, mean scoring time."""

    def over(reduce: Reduce, *keys: str) -> dict[str, float | None]:
        return {key: _of_known(reduce, (getattr(cost, key) for cost in costs)) for key in keys}

    return costs[-1].model_copy(
        update={
            **over(sum, "fit_s", "cpu_s", "gpu_s"),
            **over(max, "peak_rss_mib", "peak_cuda_mib"),
            **over(fmean, "score_s_per_slice", "score_s_per_volume"),
            "ranks": max(cost.ranks for cost in costs),
            "resumed": any(cost.resumed for cost in costs),
        }
    )


def _warm(events: Sequence[Event]) -> Iterator[Scored]:
    """Scored subjects without the first of each rank and attempt, which includes start-up."""
    met: set[int] = set()
    for event in events:
        if isinstance(event, Start):
            met.clear()
        elif isinstance(event, Scored):
            if event.rank in met:
                yield event
            met.add(event.rank)


def _of_known(reduce: Reduce, values: Iterable[float | None]) -> float | None:
    """Reduce the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return reduce(known) if known else None


def _gpu_seconds(work: Sequence[Spent]) -> float | None:
    held = [
        event.seconds * (event.ranks if isinstance(event, Fit) else 1)
        for event in work
        if event.peak_cuda_mib is not None
    ]
    return sum(held) if held and len(held) == len(work) else None
