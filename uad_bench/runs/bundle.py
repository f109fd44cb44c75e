"""Pack a run for sharing: records, tables, log, digests, optionally maps and weights; no images, labels, local paths.

A bundle is a zip file. `bundle.json` lists every other member with its SHA-256; `bundle_check` validates untrusted
bundles. Maps are quantised to 65,536 levels per run, value = offset + step * code, which keeps the order of scores that
differ by more than a step. Weights come with the signatures of their training patients: digests of the scans and
thumbnails with cells of about 8 mm, without which the patients could not be recognised.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from uad_bench.version import VERSION

FORMAT = 2
INDEX = "bundle.json"
README = "README.md"
LEVELS = 2**16 - 1
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same run gives the same bytes
TABLES = ("metrics.csv", "sweep.csv", "froc.csv", "lesions.csv", "false_positives.csv", "replicates.npy")


@dataclass(frozen=True, slots=True)
class Levels:
    """Quantisation of a run's scores to 16-bit codes: score = offset + step * code."""

    offset: float
    step: float

    @classmethod
    def of(cls, maps: Mapping[str, Path]) -> "Levels":
        """Levels that span the lowest and the highest score of all maps."""
        ends = [(float(score_map.min()), float(score_map.max())) for score_map in map(_read_map, maps.values())]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        return cls(low, (high - low) / LEVELS)

    def encode(self, score_map: NDArray[np.float32]) -> NDArray[np.uint16]:
        """The nearest code of each score."""
        codes = (score_map.astype(np.float64) - self.offset) / (self.step or 1.0)
        return np.rint(codes).astype(np.uint16)

    def decode(self, codes: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Scores to within half a step."""
        return (self.offset + self.step * codes.astype(np.float64)).astype(np.float32)


def write_bundle(run: Run, file: Path, *, maps: bool = False, weights: bool = False, readme: str = "") -> None:
    """Pack a finished run, with its folds.

    Args:
        maps: include the score maps, rounded to 16 bits.
        weights: include the trained weights, and the signatures of their training patients.

    Raises:
        ConfigError: the run is not finished, its maps or weights are missing, or the file cannot be written.
    """
    if not run.finished:
        raise ConfigError(f"{run.path}: the run is not finished; only finished runs can be shared")
    levels: dict[str, Levels] = {}
    index: dict[str, Any] = {}
    with atomic(prepare_output(file)) as target, ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, data in _members(run, levels, maps=maps, weights=weights, readme=readme):
            index[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            archive.writestr(_regular(name), data)
        coding = {part: {"offset": level.offset, "step": level.step} for part, level in levels.items()}
        about = {"format": FORMAT, "uad_bench": VERSION, "files": index, "levels": coding}
        archive.writestr(_regular(INDEX), _json(about))


def _members(
    run: Run, levels: dict[str, Levels], *, maps: bool, weights: bool, readme: str
) -> Iterator[tuple[str, bytes]]:
    if readme:
        yield README, hide_paths(readme).encode()
    for part in (run, *run.folds):
        prefix = "" if part is run else f"{part.path.name}/"
        yield f"{prefix}{run.record.name}", part.record.read_bytes()
        yield f"{prefix}{run.experiment.name}", _json(without_paths(read_json(part.experiment)))
        yield f"{prefix}{run.events.name}", _log(part)
        yield from ((f"{prefix}{name}", (part.path / name).read_bytes()) for name in _present(part))
        yield from _weights(part, prefix) if weights and not (part is run and run.folds) else ()
        if part.manifest.exists():
            yield f"{prefix}{run.manifest.name}", part.manifest.read_bytes()
            yield from _maps(part, prefix, levels) if maps else ()


def _present(run: Run) -> list[str]:
    return [name for name in TABLES if (run.path / name).exists()]


def _log(run: Run) -> bytes:
    """The event log, without paths."""
    events = (without_paths(event.to_json()) for event in run.read_events())
    return "".join(json.dumps(event, allow_nan=False, ensure_ascii=False) + "\n" for event in events).encode()


def _weights(run: Run, prefix: str) -> Iterator[tuple[str, bytes]]:
    if not is_intact(run.checkpoint):
        raise ConfigError(f"{run.path}: its weights are missing or damaged; share the run without --weights")
    yield f"{prefix}{run.checkpoint.name}", run.checkpoint.read_bytes()
    yield f"{prefix}{run.checkpoint.with_suffix('.json').name}", _json(read_description(run.checkpoint).to_json())


def _maps(run: Run, prefix: str, levels: dict[str, Levels]) -> Iterator[tuple[str, bytes]]:
    paths = {subject: run.map(subject) for subject in Manifest.read(run.manifest).maps}
    if gone := [subject for subject, path in paths.items() if not path.exists()]:
        raise ConfigError(f"{run.path}: the map of {gone[0]} is missing; share the run without --maps")
    levels[prefix] = Levels.of(paths)
    for subject, path in paths.items():
        data = io.BytesIO()
        np.save(data, levels[prefix].encode(_read_map(path)), allow_pickle=False)
        yield f"{prefix}maps/{subject}.npy", data.getvalue()


def _read_map(path: Path) -> NDArray[np.float32]:
    score_map: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return score_map


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _regular(name: str) -> ZipInfo:
    member = ZipInfo(name, ZIP_EPOCH)
    member.compress_type = ZIP_DEFLATED
    member.external_attr = 0o100644 << 16
    return member
