"""What the cache holds, and emptying it. Everything in it can be made again from the data."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uad_bench.data import census, reference, store, supervision
from uad_bench.errors import ConfigError, unknown

KINDS = {
    census.FOLDER: "what was learned from each patient's scans",
    store.FOLDER: "prepared slices",
    reference.FOLDER: "brain and anomaly masks on the scans' grids",
    supervision.FOLDER: "anomaly masks of training patients, for bounds alone",
    "datasets": "generated phantoms, and volumes stacked of slices",
}


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What one kind of entry takes up.

    Attributes:
        kind: the folder below the cache's root.
        meaning: for people.
        files: number of files.
        bytes: they take together.
    """

    kind: str
    meaning: str
    files: int
    bytes: int


def list_cache(cache: Path) -> list[CacheUse]:
    """Use of the cache by kind, those with nothing included."""
    return [_use(kind, meaning, _files(cache / kind)) for kind, meaning in KINDS.items()]


def clear_cache(cache: Path, kinds: Iterable[str] = ()) -> list[CacheUse]:
    """Remove all entries of these kinds (by default of all) and return what they took up.

    Files are removed one by one, so that a run that is reading one keeps it until it is done.

    Raises:
        ConfigError: no such kind, or the files may not be removed.
    """
    chosen = list(kinds) or list(KINDS)
    for kind in chosen:
        if kind not in KINDS:
            raise unknown("kind of cache entry", kind, KINDS)
    return [_clear(cache / kind, kind) for kind in chosen]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def _use(kind: str, meaning: str, files: list[Path]) -> CacheUse:
    return CacheUse(kind, meaning, len(files), sum(path.stat().st_size for path in files))


def _clear(folder: Path, kind: str) -> CacheUse:
    files = _files(folder)
    use = _use(kind, KINDS[kind], files)
    try:
        for path in files:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error
    return use
