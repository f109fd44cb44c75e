"""The record's cost block, from the events that a method's processes left; what was not measured is None."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

Event = Mapping[str, Any]


def cost_of(events: Sequence[Event]) -> dict[str, Any]:
    """Seconds and memory of a run.

    Keys:
        fit_s: wall seconds of training, as far as the process that ended it saw.
        score_s_per_slice, score_s_per_volume: wall seconds of one rank, without the first subject of each process.
        cpu_s: processor seconds of training and scoring, all ranks and threads.
        gpu_s: seconds for which GPUs were held, all ranks; None on a CPU.
        peak_rss_mib, peak_cuda_mib: of the largest process.
        ranks: processes that shared the work.
        resumed: whether training or scoring was taken up again, so that `fit_s` may lack an earlier part.
    """
    fits = [event for event in events if event["event"] == "fit"][-1:]
    scored = {event["subject"]: event for event in events if event["event"] == "scored"}
    warm = list(_warm(events)) or list(scored.values())
    slices = sum(event["slices"] for event in warm)
    work = [*fits, *scored.values()]
    fitted: Event = next((event for event in reversed(events) if event["event"] == "fitted"), {})
    return {
        "fit_s": fits[0]["seconds"] if fits else None,
        "score_s_per_slice": sum(event["seconds"] for event in warm) / slices if slices else None,
        "score_s_per_volume": fmean(event["seconds"] for event in warm) if warm else None,
        "cpu_s": _total(work, "cpu_seconds"),
        "gpu_s": _gpu_seconds(work),
        "peak_rss_mib": _largest(work, "peak_rss_mib"),
        "peak_cuda_mib": _largest(work, "peak_cuda_mib"),
        "ranks": fitted.get("ranks", 1),
        "resumed": sum(event["event"] == "start" for event in events) > 1,
    }


def cost_of_folds(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Costs of all folds: spent things add up, memory is the largest, scoring time the mean."""
    merge: dict[str, Callable[[list[float]], float]] = {
        "fit_s": sum, "cpu_s": sum, "gpu_s": sum, "peak_rss_mib": max, "peak_cuda_mib": max,
        "score_s_per_slice": fmean, "score_s_per_volume": fmean, "ranks": max, "resumed": any,
    }  # fmt: skip
    merged = dict(costs[-1])
    for key, join in merge.items():
        known = [cost[key] for cost in costs if cost.get(key) is not None]
        merged[key] = join(known) if known else None
    return merged


def _warm(events: Sequence[Event]) -> Iterator[Event]:
    """Scored subjects but the first of each rank of each attempt, which pays for starting up."""
    met: set[int] = set()
    for event in events:
        if event["event"] == "start":
            met.clear()
        elif event["event"] == "scored":
            rank = event.get("rank", 0)
            if rank in met:
                yield event
            met.add(rank)


def _total(work: Sequence[Event], key: str) -> float | None:
    """The sum, or None unless every part was measured."""
    parts = [event.get(key) for event in work]
    return None if not parts or None in parts else sum(part for part in parts if part is not None)


def _largest(work: Sequence[Event], key: str) -> float | None:
    return max((event[key] for event in work if event.get(key) is not None), default=None)


def _gpu_seconds(work: Sequence[Event]) -> float | None:
    held = [event["seconds"] * event.get("ranks", 1) for event in work if event.get("peak_cuda_mib") is not None]
    return sum(held) if held and len(held) == len(work) else None
