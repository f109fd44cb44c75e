"""The two stages that run a method, fit and score, on prepared images only: no label, and no path to one."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uad_bench.data.store import SliceStore
from uad_bench.errors import VerificationError
from uad_bench.files import atomic, read_json, write_json
from uad_bench.fingerprint import digest_file
from uad_bench.hyperparameters import build_method, hyperparameters
from uad_bench.method import Budget, Compute, Method, Progress, SliceKey
from uad_bench.registry import Entry
from uad_bench.runs import Run
from uad_bench.scoring import score_subject

if TYPE_CHECKING:
    from torch import Tensor

Emit = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All that a method's process is told. There is no label in it, nor a path to one.

    Attributes:
        run: the run folder.
        store: manifest of the prepared slices.
        train: subject -> healthy slices to learn from.
        score: subject -> slices to score, for subjects without a trusted map yet.
        training_set: what the checkpoint says it was trained on, subject -> digest of its images.
    """

    run: str
    store: dict[str, Any]
    train: dict[str, list[int]]
    score: dict[str, list[int]]
    training_set: dict[str, str]
    budget: dict[str, int]
    seed: int
    device: str


def describe(entry: Entry, params: Mapping[str, Any], pair: tuple[str, str]) -> tuple[Method, dict[str, Any]]:
    """Build the method and say what it needs, without giving it any data."""
    method = build_method(entry.load(), params, pair=pair, name=entry.name)
    needs = method.modalities
    return method, {"fit": needs.fit, "score": needs.score, "native": needs.native, "params": hyperparameters(method)}


def work(method: Method, assignment: Assignment, emit: Emit) -> None:
    """Fit (or load the checkpoint), then score every assigned subject, emitting an event for each unit done."""
    run, store = Run(Path(assignment.run)), SliceStore.open(assignment.store)
    compute = _compute(assignment, run, emit)
    _fit(method, store, assignment, compute, emit)
    parameters = sum(int(np.prod(tensor.shape)) for tensor in method.state_dict().values())
    emit("fitted", parameters=parameters, network_calls_per_slice=getattr(method, "network_calls_per_slice", None))
    _score(method, store, assignment, run, emit)


def _compute(assignment: Assignment, run: Run, emit: Emit) -> Compute:
    from uad_bench.precision import has_bfloat16

    def report(progress: Progress) -> None:
        emit("progress", **asdict(progress))

    return Compute(
        device=assignment.device,
        seed=assignment.seed,
        report=report,
        snapshots=DiskSnapshots(run.snapshots),
        mixed_precision=has_bfloat16(assignment.device),
    )


def _fit(method: Method, store: SliceStore, assignment: Assignment, compute: Compute, emit: Emit) -> None:
    run = Run(Path(assignment.run))
    if run.checkpoint.exists():
        method.load_state_dict(load_checkpoint(run.checkpoint), compute=compute)
        return
    keys = [SliceKey(subject, z) for subject, slices in assignment.train.items() for z in slices]
    started = time.perf_counter()
    method.fit(store.training(keys, method.modalities.fit), budget=Budget(**assignment.budget), compute=compute)
    save_checkpoint(run.checkpoint, method.state_dict(), training_set=assignment.training_set)
    emit("fit", seconds=time.perf_counter() - started, slices=len(keys))
    for left in run.snapshots.glob("*.safetensors"):
        left.unlink()


def _score(method: Method, store: SliceStore, assignment: Assignment, run: Run, emit: Emit) -> None:
    for done, (subject, slices) in enumerate(assignment.score.items()):
        emit("progress", stage="score", step=done, total=len(assignment.score))
        started, cpu = time.perf_counter(), time.process_time()
        keys = [SliceKey(subject, z) for z in slices]
        scores = score_subject(method, store, keys, device=assignment.device)
        score_map = store.to_native(subject, slices, scores)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        emit(
            "scored",
            subject=subject,
            slices=len(keys),
            seconds=seconds,
            cpu_seconds=cpu,
            shape=list(score_map.shape),
            sha256=save_map(run.map(subject), score_map),
            peak_rss_mib=peak_rss(),
        )


def save_map(path: Path, score_map: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    """Store a score map whole, and return the SHA-256 of the file."""
    with atomic(path) as file:
        np.save(file, np.ascontiguousarray(score_map, dtype=np.float32), allow_pickle=False)
    return digest_file(path)


def save_checkpoint(path: Path, state: Mapping[str, Tensor], *, training_set: Mapping[str, str]) -> None:
    """Store what a method learned, and beside it the digest and whom it learned from."""
    from safetensors.torch import save

    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    write_json(path.with_suffix(".json"), {"sha256": hashlib.sha256(data).hexdigest(), "training_set": training_set})
    with atomic(path) as file:
        file.write(data)


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint after comparing its SHA-256 with the one stored beside it.

    Raises:
        VerificationError: the file was changed, cut or is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if digest_file(path) != read_json(path.with_suffix(".json"))["sha256"]:
        raise VerificationError(f"{path}: the file is not the one that was stored (SHA-256 differs)")
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise VerificationError(f"{path}: not a whole safetensors file: {error}") from error


@dataclass(frozen=True, slots=True)
class DiskSnapshots:
    """Training state in the run folder, so that an interrupted fit goes on."""

    folder: Path

    def save(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Replace the named state."""
        from safetensors.torch import save

        self.folder.mkdir(exist_ok=True)
        data = save({key: tensor.detach().cpu().contiguous() for key, tensor in state.items()})
        with atomic(self.folder / f"{name}.safetensors") as file:
            file.write(hashlib.sha256(data).digest() + data)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The named state; None where there is none or it is damaged, because training anew is then right."""
        from safetensors.torch import load

        path = self.folder / f"{name}.safetensors"
        stored = path.read_bytes() if path.exists() else b""
        intact = stored[:32] == hashlib.sha256(stored[32:]).digest()
        return load(stored[32:]) if intact else None


def peak_rss() -> float:
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def slices_by_subject(keys: Sequence[SliceKey]) -> dict[str, list[int]]:
    """Group slice keys by subject, keeping their order."""
    grouped: dict[str, list[int]] = {}
    for key in keys:
        grouped.setdefault(key.subject_id, []).append(key.z)
    return grouped
