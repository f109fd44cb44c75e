"""Which stored units of a run may be used again: those whose digest was logged when they were stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, MethodError
from uad_bench.files import read_json, safe_name, write_json
from uad_bench.runs.checkpoints import is_intact
from uad_bench.runs.folder import Run
from uad_bench.runs.record import record_digest


def damaged(run: Run) -> list[str]:
    """Files of a finished run that are not what was stored: results by digest, maps by size (`verify` reads them all).

    A run whose maps were all removed to save space is not damaged.
    """
    try:
        record = run.read_record()
        if record.get("digest") not in {None, record_digest(record)}:
            return [run.record.name]
        sealed = {run.path / safe_name(name, "file"): digest for name, digest in record.get("files", {}).items()}
        return [path.name for path, digest in sealed.items() if not _holds(path, digest)] or _resized_maps(run)
    except (ConfigError, AttributeError, KeyError, TypeError):
        return [run.record.name]


def repair(run: Run) -> list[str]:
    """Remove what is not what was stored, so that it is made again; returns the names and logs each."""
    found = [*(damaged(run) if run.finished else []), *_damaged_checkpoint(run), *_damaged_maps(run)]
    names = list(dict.fromkeys(found))
    for name in names:
        run.log_event("repaired", file=name)
        (run.path / name).unlink(missing_ok=True)
    if names:
        for marker in (run.done, run.manifest):
            marker.unlink(missing_ok=True)
    return names


def unscored(run: Run, subjects: Sequence[str]) -> list[str]:
    """Subjects without a score map of the present checkpoint."""
    logged = scored_maps(run)
    present = digest_file(run.checkpoint) if run.checkpoint.exists() else None
    return [
        name
        for name in subjects
        if name not in logged or logged[name]["checkpoint"] != present or not run.map(name).exists()
    ]


def scored_maps(run: Run) -> dict[str, dict[str, Any]]:
    """The last logged map of each subject: digest, size, shape, and the checkpoint that it came from."""
    checkpoint, maps = None, {}
    for event in run.read_events():
        if event["event"] == "fitted":
            checkpoint = event.get("checkpoint")
        elif event["event"] == "scored":
            maps[event["subject"]] = {**event, "checkpoint": checkpoint}
    return maps


def write_manifest(run: Run, subjects: Sequence[str]) -> None:
    """Digest, size and shape of every map, and the checkpoint's digest; only written when all of them are there.

    Raises:
        MethodError: a map is missing.
    """
    maps = scored_maps(run)
    if missing := unscored(run, subjects):
        raise MethodError(f"no score map for {', '.join(missing[:5])}", reason="bad_output")
    listed = {name: {key: maps[name].get(key) for key in ("sha256", "shape", "bytes")} for name in subjects}
    write_json(run.manifest, {"maps": listed, "checkpoint": digest_file(run.checkpoint)})


def _resized_maps(run: Run) -> list[str]:
    if not run.manifest.exists() or not any(run.maps.glob("*.npy")):
        return []
    sizes = {run.map(subject): entry.get("bytes") for subject, entry in read_json(run.manifest)["maps"].items()}
    return [f"maps/{path.name}" for path, size in sizes.items() if not path.exists() or path.stat().st_size != size]


def _damaged_checkpoint(run: Run) -> list[str]:
    return [run.checkpoint.name] if run.checkpoint.exists() and not is_intact(run.checkpoint) else []


def _damaged_maps(run: Run) -> list[str]:
    """Maps that are there but are not what was logged; one that was never logged is simply made again."""
    stored = {run.map(name): event.get("sha256") for name, event in scored_maps(run).items()}
    return [f"maps/{path.name}" for path, digest in stored.items() if path.exists() and not _holds(path, digest)]


def _holds(path: Path, digest: Any) -> bool:
    return path.is_file() and digest_file(path) == digest
