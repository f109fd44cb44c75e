"""Storage of leaderboards: a JSON file and an array of replicates per run, from which every table can be rebuilt.

leaderboards/<task>.md                        generated
leaderboards/<task>/<method>-seed<k>.json     the record, without local paths, and its provenance
leaderboards/<task>/<method>-seed<k>.npy      its jackknife replicates, float64
leaderboards/<task>/comparison.json           generated: ranks, and p-values of all pairs
leaderboards/<task>/reported.toml             written by hand: results quoted from papers
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

from uad_bench.boards.result import MetricKey, Result, Values
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import atomic, read_json, safe_name, write_json
from uad_bench.runs.document import Document, without_paths
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import RunRecord, record_digest
from uad_bench.runs.tables import current

KEPT = (MetricKey("auprc"), MetricKey("dice", "hFPR5"))
"""Metrics that tables compare, whose replicates are stored for each chain of a record."""
GENERATED = {"comparison.json"}
BOARD = "board"


class Provenance(Document):
    """What a stored row contains besides its record.

    Attributes:
        maps: SHA-256 of each score map by subject.
        replicates: keys of the stored replicates.
        replicates_sha256: digest of their file; None if there is no file.
        rescored: metrics computed later from the maps.
        verified: whether every map matched its digest when the board was built.
    """

    command: str
    experiment: Annotated[StoredExperiment | None, BeforeValidator(lambda value: value or None)]
    maps: dict[str, str]
    replicates: tuple[str, ...]
    replicates_sha256: str | None = None
    rescored: tuple[MetricRow, ...]
    verified: bool


def store_results(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write the two files of each result; returns the JSON files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(results)
    for result, name in zip(results, names, strict=True):
        chains = dict.fromkeys(metric.chain for metric in result.metrics)
        kept = (metric.in_chain(chain).key for chain in chains for metric in KEPT)
        keys = [key for key in kept if key in result.replicates]
        values = folder / f"{name}.npy"
        if keys:
            with atomic(values) as file:
                np.save(file, np.stack([result.replicates[key] for key in keys]), allow_pickle=False)
        write_json(folder / f"{name}.json", document(result, keys, digest_file(values) if keys else None))
    return [folder / f"{name}.json" for name in names]


def file_names(results: Sequence[Result]) -> list[str]:
    """`<method>-seed<k>`, followed by the run's digest if a method has several settings."""
    plain = [safe_name(f"{result.method}-seed{result.seed}", "method") for result in results]
    digests = [result.name.rpartition("-")[2] for result in results]
    return [name if plain.count(name) == 1 else f"{name}-{d}" for name, d in zip(plain, digests, strict=True)]


def document(result: Result, keys: Sequence[str], sha256: str | None) -> dict[str, Any]:
    """The record without local paths, with the provenance as `board` and the digest of the whole document.

    Args:
        keys: keys of the stored replicates.
        sha256: digest of their file; None if there is no file.
    """
    record = result.record.to_json()
    record["environment"].pop("command", None)
    provenance = Provenance(
        command=result.command,
        experiment=result.experiment,
        maps=dict(result.maps),
        replicates=tuple(keys),
        replicates_sha256=sha256,
        rescored=result.rescored,
        verified=result.verified,
    )
    cleaned: dict[str, Any] = without_paths({**record, BOARD: provenance.to_json()})
    return {**cleaned, "digest": record_digest(cleaned)}


def read_stored(folder: Path) -> list[Result]:
    """The results of a stored leaderboard, sorted by file name.

    Raises:
        ConfigError: there are no rows, or a file is not a row of a leaderboard.
        VerificationError: a row or its replicates were changed after they were written.
    """
    files = [path for path in sorted(folder.glob("*.json")) if path.name not in GENERATED]
    if not files:
        raise ConfigError(f"{folder}: no leaderboard here; create one with: uad-bench leaderboard build --task NAME")
    return [_read(path) for path in files]


def _read(path: Path) -> Result:
    row = read_json(path)
    if not isinstance(row, dict) or BOARD not in row:
        raise ConfigError(f"{path}: not a row of a leaderboard; write rows with: uad-bench leaderboard build")
    if row.get("digest") != record_digest(row):
        raise VerificationError(f"{path}: was changed after it was written (its digest differs); build the board again")
    provenance = Provenance.parse(row.pop(BOARD), f"{path}: {BOARD}")
    record = RunRecord.parse(row, str(path))
    return Result(
        record=record,
        replicates=current(_replicates(path.with_suffix(".npy"), provenance), record),
        rescored=provenance.rescored,
        maps=provenance.maps,
        experiment=provenance.experiment,
        command=provenance.command,
        verified=provenance.verified,
    )


def _replicates(path: Path, provenance: Provenance) -> dict[str, Values]:
    """The stored replicates of a row by metric key, after checking the digest of their file."""
    if not provenance.replicates:
        return {}
    if not path.exists() or digest_file(path) != provenance.replicates_sha256:
        state = "is not the file that was stored (SHA-256 differs)" if path.exists() else "is missing"
        raise VerificationError(f"{path}: {state}; build the board again")
    columns = np.load(path, allow_pickle=False).astype(np.float64)
    return dict(zip(provenance.replicates, columns, strict=True))
