"""Pack a run for sharing: records, tables, log, digests, optionally maps and weights; no images, labels, local paths.

A bundle is a zip file. `bundle.json` lists every other member with its SHA-256; `bundle_check` validates untrusted
bundles. Maps are 16-bit codes, indices of the float32 levels in `levels.npy`: all distinct scores of the run, or their
quantiles if there are more than 65,536. Scores are rounded to the nearest level, so outliers cost few levels and no two
scores change their order. Weights come with the signatures of their training patients: digests of the scans and
thumbnails with cells of about 8 mm, without which the patients could not be recognised.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import ConfigError
from uad_bench.files import atomic, prepare_output, read_json
from uad_bench.runs.checkpoints import Manifest, is_intact, read_description
from uad_bench.runs.document import hide_paths, without_paths
from uad_bench.runs.folder import Run
from uad_bench.runs.score_maps import read_map
from uad_bench.version import VERSION

FORMAT = 3
INDEX = "bundle.json"
README = "README.md"
LEVELS = "levels.npy"
MOST_LEVELS = 2**16
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same run gives the same bytes
TABLES = ("metrics.csv", "sweep.csv", "froc.csv", "lesions.csv", "false_positives.csv", "replicates.npy")


def quantiles(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most 65,536 of the distinct scores, in order: all, or evenly spaced ranks with the lowest and the highest."""
    distinct = np.unique(scores)
    ranks = np.linspace(0, distinct.size - 1, min(distinct.size, MOST_LEVELS))
    return distinct[np.rint(ranks).astype(np.int64)]


def encode(score_map: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The index of the nearest level of each score, the lower one of two equally near."""
    middles = (levels[1:].astype(np.float64) + levels[:-1]) / 2
    return np.searchsorted(middles, score_map).astype(np.uint16)


def write_bundle(run: Run, file: Path, *, maps: bool = False, weights: bool = False, readme: str = "") -> None:
    """Pack a finished run, with its folds.

    Args:
        maps: include the score maps, rounded to 65,536 levels.
        weights: include the trained weights, and the signatures of their training patients.

    Raises:
        ConfigError: the run is not finished, its maps or weights are missing, or the file cannot be written.
    """
    if not run.finished:
        raise ConfigError(f"{run.path}: the run is not finished; only finished runs can be shared")
    index: dict[str, Any] = {}
    with atomic(prepare_output(file)) as target, ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, data in _members(run, maps=maps, weights=weights, readme=readme):
            index[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            archive.writestr(_regular(name), data)
        about = {"format": FORMAT, "uad_bench": VERSION, "files": index}
        archive.writestr(_regular(INDEX), _json(about))


def _members(run: Run, *, maps: bool, weights: bool, readme: str) -> Iterator[tuple[str, bytes]]:
    if readme:
        yield README, hide_paths(readme).encode()
    for part in (run, *run.folds):
        prefix = "" if part is run else f"{part.path.name}/"
        yield f"{prefix}{run.record.name}", part.record.read_bytes()
        yield f"{prefix}{run.experiment.name}", _json(without_paths(read_json(part.experiment)))
        yield f"{prefix}{run.events.name}", _log(part)
        for table in (part.path / name for name in TABLES):
            if table.exists():
                yield f"{prefix}{table.name}", table.read_bytes()
        yield from _weights(part, prefix) if weights and not (part is run and run.folds) else ()
        if part.manifest.exists():
            yield f"{prefix}{run.manifest.name}", part.manifest.read_bytes()
            yield from _maps(part, prefix) if maps else ()


def _log(run: Run) -> bytes:
    """The event log, without paths."""
    events = (without_paths(event.to_json()) for event in run.read_events())
    return "".join(json.dumps(event, allow_nan=False, ensure_ascii=False) + "\n" for event in events).encode()


def _weights(run: Run, prefix: str) -> Iterator[tuple[str, bytes]]:
    if not is_intact(run.checkpoint):
        raise ConfigError(f"{run.path}: its weights are missing or damaged; share the run without --weights")
    yield f"{prefix}{run.checkpoint.name}", run.checkpoint.read_bytes()
    yield f"{prefix}{run.checkpoint.with_suffix('.json').name}", _json(read_description(run.checkpoint).to_json())


def _maps(run: Run, prefix: str) -> Iterator[tuple[str, bytes]]:
    paths = {subject: run.map(subject) for subject in Manifest.read(run.manifest).maps}
    if gone := [subject for subject, path in paths.items() if not path.exists()]:
        raise ConfigError(f"{run.path}: the map of {gone[0]} is missing; share the run without --maps")
    levels = quantiles(np.concatenate([quantiles(read_map(path)) for path in paths.values()]))
    yield f"{prefix}{LEVELS}", npy(levels)
    for subject, path in paths.items():
        yield f"{prefix}maps/{subject}.npy", npy(encode(read_map(path), levels))


def npy(array: NDArray[Any]) -> bytes:
    """The content of an `.npy` file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _regular(name: str) -> ZipInfo:
    member = ZipInfo(name, ZIP_EPOCH)
    member.compress_type = ZIP_DEFLATED
    member.external_attr = 0o100644 << 16
    return member
