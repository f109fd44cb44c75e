"""The record's cost block, from the events that a method's processes left; what was not measured is None."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from uad_bench.runs.document import Document
from uad_bench.runs.events import Event, Fit, Fitted, Scored, Spent, Start


class Calibration(Document):
    """Speed of fixed kernels in float32, GFLOP/s."""

    matmul_gflops: float
    conv_gflops: float


class Cost(Document):
    """Seconds and memory of a run.

    Attributes:
        fit_s: wall seconds of training, as far as the process that ended it saw.
        score_s_per_slice: wall seconds of one rank, without the first subject of each process.
        score_s_per_volume: likewise.
        cpu_s: processor seconds of training and scoring, all ranks and threads.
        gpu_s: seconds for which GPUs were held, all ranks; None on a CPU.
        peak_rss_mib: of the largest process; `peak_cuda_mib` likewise.
        ranks: processes that shared the work.
        resumed: whether training or scoring was taken up again, so that `fit_s` may lack an earlier part.
        energy_j: joules of what `energy_of` names, and `calibration` the speed of fixed kernels; in older records only.
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
    energy_j: float | None = None
    energy_of: tuple[str, ...] | None = None
    calibration: Calibration | None = None


def cost_of(events: Sequence[Event]) -> Cost:
    """What a run took."""
    fits = [event for event in events if isinstance(event, Fit)][-1:]
    scored = {event.subject: event for event in events if isinstance(event, Scored)}
    warm = list(_warm(events)) or list(scored.values())
    slices = sum(event.slices for event in warm)
    work = [*fits, *scored.values()]
    fitted = next((event for event in reversed(events) if isinstance(event, Fitted)), Fitted())
    return Cost(
        fit_s=fits[0].seconds if fits else None,
        score_s_per_slice=sum(event.seconds for event in warm) / slices if slices else None,
        score_s_per_volume=fmean(event.seconds for event in warm) if warm else None,
        cpu_s=_sum_if_all(event.cpu_seconds for event in work),
        gpu_s=_gpu_seconds(work),
        peak_rss_mib=_largest(event.peak_rss_mib for event in work),
        peak_cuda_mib=_largest(event.peak_cuda_mib for event in work),
        ranks=fitted.ranks,
        resumed=sum(isinstance(event, Start) for event in events) > 1,
    )


def cost_of_folds(costs: Sequence[Cost]) -> Cost:
    """Costs of all folds: spent things add up, memory is the largest, scoring time the mean."""
    return costs[-1].model_copy(
        update={
            **{key: _sum(getattr(cost, key) for cost in costs) for key in ("fit_s", "cpu_s", "gpu_s")},
            **{key: _largest(getattr(cost, key) for cost in costs) for key in ("peak_rss_mib", "peak_cuda_mib")},
            **{key: _mean(getattr(c, key) for c in costs) for key in ("score_s_per_slice", "score_s_per_volume")},
            "ranks": max(cost.ranks for cost in costs),
            "resumed": any(cost.resumed for cost in costs),
        }
    )


def _warm(events: Sequence[Event]) -> Iterator[Scored]:
    """Scored subjects but the first of each rank of each attempt, which pays for starting up."""
    met: set[int] = set()
    for event in events:
        if isinstance(event, Start):
            met.clear()
        elif isinstance(event, Scored):
            if event.rank in met:
                yield event
            met.add(event.rank)


def _sum_if_all(values: Iterable[float | None]) -> float | None:
    """The sum, or None unless every part was measured."""
    parts = list(values)
    known = [part for part in parts if part is not None]
    return sum(known) if parts and len(known) == len(parts) else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _gpu_seconds(work: Sequence[Spent]) -> float | None:
    held = [
        event.seconds * (event.ranks if isinstance(event, Fit) else 1)
        for event in work
        if event.peak_cuda_mib is not None
    ]
    return sum(held) if held and len(held) == len(work) else None
