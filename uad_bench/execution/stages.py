"""The stages of a method, fit and score, on prepared slices; they receive neither labels nor paths to labels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uad_bench.data.store import SliceStore
from uad_bench.data.supervision import training_slices
from uad_bench.digests import digest_file
from uad_bench.errors import MethodError, ResourceError, where_raised
from uad_bench.execution.meter import metered
from uad_bench.execution.scoring import (
    DEPENDS,
    Sample,
    reconstruct_subject,
    score_and_reconstruct_subject,
    score_subject,
)
from uad_bench.execution.warm_start import starting_from
from uad_bench.method import Budget, Compute, Method, Precision, Progress, SliceKey
from uad_bench.plugins.hyperparameters import build_method, hyperparameters
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import DiskSnapshots, load_checkpoint, save_checkpoint
from uad_bench.runs.events import Advance, Described, Event, Fit, Fitted, Reconstructed, Remark, Scored, Selected
from uad_bench.runs.folder import Run
from uad_bench.runs.score_maps import save_map
from uad_bench.seeding import seed_globals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uad_bench.distributed import WorkerGroup

Emit = Callable[[Event], None]
SCORING = "scoring patients"
LONGEST_REMARK = 300
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The request that a method's process receives; without labels or paths to labels, except for upper bounds.

    Attributes:
        run: the run folder.
        store: manifest of the prepared slices.
        train: subject -> healthy slices to learn from.
        score: subject -> slices to score, for subjects without a trusted map yet.
        reconstruct: subject -> slices to reconstruct, for subjects without a trusted pseudo-healthy image yet.
        training_set: what the checkpoint says it was trained on, subject -> its signature.
        ranks: processes per machine that share the work; this is number `rank` of all.
        nodes: machines, of which this is number `node`; the processes connect to `rendezvous`, host:port of the first.
        masks: for a method that ships as a bound, files with the anomaly of each training patient; else empty.
        select: training steps between two measurements by which weights are selected; 0 keeps the last weights.
        held_out: for these measurements, subject -> healthy slices that are not learned from.
    """

    run: str
    device: str
    precision: Precision = "auto"
    store: dict[str, Any] = field(default_factory=dict)
    train: dict[str, list[int]] = field(default_factory=dict)
    score: dict[str, list[int]] = field(default_factory=dict)
    reconstruct: dict[str, list[int]] = field(default_factory=dict)
    training_set: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    ranks: int = 1
    rank: int = 0
    nodes: int = 1
    node: int = 0
    rendezvous: str = ""
    masks: dict[str, str] = field(default_factory=dict)
    select: int = 0
    held_out: dict[str, list[int]] = field(default_factory=dict)


def describe(entry: Entry, params: Mapping[str, Any], pair: tuple[str, str]) -> tuple[Method, Described]:
    """Build the method and describe what it needs, without giving it any data."""
    method = build_method(entry.load(), params, pair=pair, name=entry.name)
    return method, describe_method(method)


def describe_method(method: Method) -> Described:
    """The modalities that a method needs, and its hyperparameters."""
    needs = method.modalities
    return Described(
        fit=tuple(needs.fit),
        score=tuple(needs.score),
        native=needs.native,
        params=hyperparameters(method),
        deterministic=bool(getattr(method, "deterministic", True)),
        reconstructs=callable(getattr(method, "reconstruct", None)),
        networks="networks_" in getattr(method, "__dataclass_fields__", {}) or hasattr(method, "networks_"),
    )


def work(method: Method, assignment: Assignment, emit: Emit) -> None:
    """Fit (or load the checkpoint), then score every assigned subject; emits an event per completed step."""
    from uad_bench.distributed import current_group

    run, store = Run(Path(assignment.run)), SliceStore.open(assignment.store)
    group = current_group()
    learned, resumed = run.checkpoint.exists(), any(run.maps.iterdir())
    group.wait()  # all ranks must look before one of them writes the checkpoint
    if not learned:
        _fit(method, store, assignment, emit, group)
        group.wait()
    if learned or group.rank > 0:
        _load(method, assignment, emit)
    if group.rank == 0:
        DiskSnapshots(run.snapshots).clear()
        emit(_fitted(method, assignment, ranks=group.size))
    group.wait()  # maps must be logged after `Fitted`; earlier ones belong to an earlier training
    first = _score(method, store, assignment, emit, group)
    _reconstruct(method, store, assignment, emit, group)
    if first and not resumed and not getattr(method, "whole_volume", False):
        _score_again(method, store, assignment, emit, first)


def _load(method: Method, assignment: Assignment, emit: Emit) -> None:
    state = load_checkpoint(Run(Path(assignment.run)).checkpoint)
    with _calling("load_state_dict"):
        method.load_state_dict(state, compute=_compute(assignment, emit))


def _fit(method: Method, store: SliceStore, assignment: Assignment, emit: Emit, group: WorkerGroup) -> None:
    keys, start = _keys(assignment.train), Run(Path(assignment.run)).initial
    with (
        starting_from(start, method, _compute(assignment, emit)) as compute,
        metered(assignment.device) as spent,
        _calling("fit"),
    ):
        seed_globals(assignment.seed, "fit")
        train = training_slices(store, keys, method.modalities.fit, assignment.masks)
        with _selecting(method, store, assignment, compute, emit) as selecting:
            method.fit(train, budget=Budget(**assignment.budget), compute=selecting)
        state = method.state_dict()
    spent |= {"cpu_seconds": group.total(spent["cpu_seconds"])}
    if group.rank == 0:
        save_checkpoint(Run(Path(assignment.run)).checkpoint, state, training_set=assignment.training_set)
        emit(Fit(slices=len(keys), ranks=group.size, **spent))


@contextlib.contextmanager
def _selecting(
    method: Method, store: SliceStore, assignment: Assignment, compute: Compute, emit: Emit
) -> Iterator[Compute]:
    """A `Compute` for `fit` that selects weights by implants, and the event with the result; unchanged if not asked."""
    if not assignment.select:
        yield compute
        return
    from uad_bench.execution.implant_selector import ImplantSelector

    keys, every, device = _keys(assignment.held_out), assignment.select, assignment.device
    selector = ImplantSelector.of(method, store, keys, every=every, seed=assignment.seed, device=device)
    yield replace(compute, selector=selector)
    selected = Selected(selection=selector.selected())
    if assignment.rank == 0:
        emit(selected)


def _keys(slices: Mapping[str, Sequence[int]]) -> list[SliceKey]:
    return [SliceKey(subject, z) for subject, chosen in slices.items() for z in chosen]


def _score(method: Method, store: SliceStore, assignment: Assignment, emit: Emit, group: WorkerGroup) -> Sample | None:
    """Score the rank's share of subjects; returns a sample of the first one, to be scored again at the end."""
    run, first = Run(Path(assignment.run)), None
    mine = list(assignment.score.items())[group.rank :: group.size]
    for done, (subject, slices) in enumerate(mine):
        emit(Advance(stage=SCORING, step=done, total=len(mine)))
        seed_globals(assignment.seed, "score", subject)  # makes methods that use global generators resumable
        keys = [SliceKey(subject, z) for z in slices]
        images = None
        with metered(assignment.device) as spent:
            with _calling("score"):
                if subject in assignment.reconstruct and hasattr(method, "score_and_reconstruct"):
                    scores, images, remarks = score_and_reconstruct_subject(
                        method, store, keys, device=assignment.device
                    )
                else:
                    scores, remarks = score_subject(method, store, keys, device=assignment.device)
            first = first or Sample.of(keys, scores)
            score_map = store.to_native(subject, slices, scores)
        if images is not None:
            _keep(method, store, run, subject, slices, images, emit)
        for remark in remarks:
            emit(Remark(subject=subject, kind=remark))
        stored = save_map(run.map(subject), score_map)
        emit(Scored(subject=subject, slices=len(keys), rank=group.rank, **dict(stored), **spent))
    emit(Advance(stage=SCORING, step=len(mine), total=len(mine)))
    return first


def _reconstruct(method: Method, store: SliceStore, assignment: Assignment, emit: Emit, group: WorkerGroup) -> None:
    """Reconstruct the rank's share of subjects, except those already done while scoring."""
    run = Run(Path(assignment.run))
    done = set(assignment.score) if hasattr(method, "score_and_reconstruct") else set()
    left = [(subject, slices) for subject, slices in assignment.reconstruct.items() if subject not in done]
    mine = left[group.rank :: group.size]
    for number, (subject, slices) in enumerate(mine):
        emit(Advance(stage="reconstruct", step=number, total=len(mine)))
        seed_globals(assignment.seed, "score", subject)
        keys = [SliceKey(subject, z) for z in slices]
        with _calling("reconstruct"):
            images = reconstruct_subject(method, store, keys, device=assignment.device)
        _keep(method, store, run, subject, slices, images, emit)


def _keep(  # noqa: PLR0913, PLR0917
    method: Method,
    store: SliceStore,
    run: Run,
    subject: str,
    slices: Sequence[int],
    images: NDArray[np.float32],
    emit: Emit,
) -> None:
    """Store a pseudo-healthy image on the scan's grid."""
    whole = store.image_to_native(subject, slices, images, method.modalities.score[0])
    run.reconstructions.mkdir(exist_ok=True)
    stored = save_map(run.reconstruction(subject), whole)
    emit(Reconstructed(subject=subject, **dict(stored)))


def _score_again(method: Method, store: SliceStore, assignment: Assignment, emit: Emit, first: Sample) -> None:
    """Warn if scores depend on other slices; all maps are stored by now, so an error here does not fail the run."""
    subject = first.keys[0].subject_id
    seed_globals(assignment.seed, "score", subject)
    try:
        with _calling("score"):
            remark = first.remark(method, store, device=assignment.device, precision=assignment.precision)
    except MethodError as error:
        remark = f"{DEPENDS} ({error})"[:LONGEST_REMARK]
    if remark:
        emit(Remark(subject=subject, kind=remark))


def lacks_memory(error: Exception) -> bool:
    """Whether an error means out of memory, be it of Python, NumPy or a framework."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY))


def _compute(assignment: Assignment, emit: Emit) -> Compute:
    from uad_bench.precision import uses_bfloat16

    def report(progress: Progress) -> None:
        emit(Advance(**asdict(progress)))

    return Compute(
        device=assignment.device,
        seed=assignment.seed,
        report=report,
        snapshots=DiskSnapshots(Run(Path(assignment.run)).snapshots, writable=assignment.rank == 0),
        mixed_precision=uses_bfloat16(assignment.precision, assignment.device),
    )


def _fitted(method: Method, assignment: Assignment, *, ranks: int) -> Fitted:
    """The event for a fitted method, with its number of parameters and network calls."""
    from uad_bench.precision import uses_bfloat16

    calls = getattr(method, "network_calls_per_slice", None)
    return Fitted(
        parameters=sum(tensor.numel() for tensor in method.state_dict().values()),
        network_calls_per_slice=calls if isinstance(calls, int | float) else None,
        checkpoint=digest_file(Run(Path(assignment.run)).checkpoint),
        precision="bfloat16" if uses_bfloat16(assignment.precision, assignment.device) else "float32",
        ranks=ranks,
    )


@contextlib.contextmanager
def _calling(stage: str) -> Iterator[None]:
    """Convert any exception to a `MethodError`, except a full disk, which stops all methods."""
    try:
        yield
    except (MethodError, ResourceError):
        raise
    except Exception as error:
        reason = "oom" if lacks_memory(error) else "bad_checkpoint" if stage == "load_state_dict" else "crash"
        message = f"{stage} raised {type(error).__name__}: {error} ({where_raised(error)})"
        raise MethodError(message, reason=reason) from error
