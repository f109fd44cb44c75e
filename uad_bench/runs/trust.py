"""Reuse of stored files: only files whose digest matches the logged or recorded one are reused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, MethodError
from uad_bench.files import read_json, safe_name, write_json
from uad_bench.runs.checkpoints import Manifest, StoredMap, is_intact
from uad_bench.runs.events import Fitted, Reconstructed, Repaired, Scored
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord, record_digest


@dataclass(frozen=True, slots=True)
class LoggedMap:
    """The log entry of a stored map or image, and the checkpoint that produced it."""

    stored: Scored | Reconstructed
    checkpoint: str | None


def damaged(run: Run) -> list[str]:
    """Changed files of a finished run: results are checked by digest, maps by size (`verify` checks their digests).

    A run whose maps were all removed is not damaged.
    """
    try:
        document = read_json(run.record)
        record = RunRecord.parse(document, str(run.record))
        if record.digest not in {None, record_digest(document)}:
            return [run.record.name]
        sealed = {run.path / safe_name(name, "file"): digest for name, digest in (record.files or {}).items()}
        return [path.name for path, digest in sealed.items() if not _holds(path, digest)] or _resized_maps(run)
    except ConfigError:
        return [run.record.name]


def repair(run: Run) -> list[str]:
    """Remove damaged files so that they are recreated; log each and return their names."""
    weights = [run.checkpoint.name] if run.checkpoint.exists() and not is_intact(run.checkpoint) else []
    names = list(dict.fromkeys([*(damaged(run) if run.finished else []), *weights, *_damaged_maps(run)]))
    for name in names:
        run.append(Repaired(file=name))
        (run.path / name).unlink(missing_ok=True)
    if names:
        for marker in (run.done, run.manifest):
            marker.unlink(missing_ok=True)
    return names


def unscored(run: Run, subjects: Sequence[str]) -> list[str]:
    """Subjects without a score map from the current checkpoint."""
    return _lacking(run, subjects, logged_maps(run), run.map)


def unreconstructed(run: Run, subjects: Sequence[str]) -> list[str]:
    """Subjects without a pseudo-healthy image from the current checkpoint."""
    return _lacking(run, subjects, logged_maps(run, Reconstructed), run.reconstruction)


def _lacking(
    run: Run, subjects: Sequence[str], logged: Mapping[str, LoggedMap], path: Callable[[str], Path]
) -> list[str]:
    current = digest_file(run.checkpoint) if run.checkpoint.exists() else None
    return [
        name for name in subjects if name not in logged or logged[name].checkpoint != current or not path(name).exists()
    ]


def logged_maps(run: Run, kind: type[Scored | Reconstructed] = Scored) -> dict[str, LoggedMap]:
    """The latest logged map, or image, of each subject."""
    checkpoint, maps = None, {}
    for event in run.read_events():
        if isinstance(event, Fitted):
            checkpoint = event.checkpoint
        elif isinstance(event, kind):
            maps[event.subject] = LoggedMap(event, checkpoint)
    return maps


def write_manifest(run: Run, subjects: Sequence[str]) -> None:
    """Write digest, size and shape of every map, and the checkpoint's digest; all maps must exist.

    Raises:
        MethodError: a map is missing.
    """
    maps = logged_maps(run)
    if missing := unscored(run, subjects):
        raise MethodError(f"no score map for {', '.join(missing[:5])}", reason="bad_output")
    logged = [maps[name].stored for name in subjects]
    listed = {event.subject: StoredMap(sha256=event.sha256, shape=event.shape, bytes=event.bytes) for event in logged}
    write_json(run.manifest, Manifest(maps=listed, checkpoint=digest_file(run.checkpoint)).to_json())


def _resized_maps(run: Run) -> list[str]:
    if not run.manifest.exists():
        return []
    sizes = {run.map(subject): entry.bytes for subject, entry in Manifest.read(run.manifest).maps.items()}
    if not any(path.exists() for path in sizes):
        return []
    return [f"maps/{path.name}" for path, size in sizes.items() if not path.exists() or path.stat().st_size != size]


def _damaged_maps(run: Run) -> list[str]:
    """Maps and images that differ from the log; those that were not logged are recreated anyway."""
    maps = {run.map(name): logged.stored.sha256 for name, logged in logged_maps(run).items()}
    images = {run.reconstruction(name): made.stored.sha256 for name, made in logged_maps(run, Reconstructed).items()}
    return [
        f"{path.parent.name}/{path.name}"
        for path, digest in {**maps, **images}.items()
        if path.exists() and not _holds(path, digest)
    ]


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and digest_file(path) == digest
