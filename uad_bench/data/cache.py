"""Content-addressed cache of everything that can be recomputed from the data.

An entry is a set of arrays, one file each, and a description with their sizes that is written last; an incomplete entry
is recomputed. Files are written atomically and keys are derived from content, so processes that write the same entry
concurrently write the same bytes. A read-only cache can still be read.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, unknown
from uad_bench.files import atomic, read_json, write_json

Array = NDArray[Any]

VARIABLE = "UAD_BENCH_CACHE"
WAY_OUT = f"set {VARIABLE} to a writable folder"
DESCRIPTION = ".json"
DIGEST_BYTES = 32

KINDS = {
    "census": "measurements of each patient's scans",
    "slices": "prepared slices",
    "references": "brain and anomaly masks on the scans' grids",
    "supervision": "anomaly masks of training patients, for methods trained with labels",
    "filtered": "score maps after post-processing",
    "stacked": "volumes stacked from slices",
    "perturbed": "scans with simulated artefacts",
    "datasets": "generated phantoms",
}
LIMITS = {"filtered": 16 << 30}
"""Maximum size of a kind in bytes; 16 GiB hold one method's filtered maps of all 1,251 patients of BraTS 2021."""


def cache_root() -> Path:
    """Root folder of the cache: `UAD_BENCH_CACHE`, else `uad-bench` in the user's cache folder.

    Raises:
        ConfigError: the variable is not set and the user has no home folder.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path raises without HOME
    if base.startswith("~"):
        raise ConfigError(f"no home folder for the cache; {WAY_OUT}")
    return Path(base) / "uad-bench"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Create a folder of the cache, and convert errors of writing to it into errors that name the cache.

    Raises:
        ConfigError: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigError(f"the cache {folder} cannot be written: {error.strerror or error}; {WAY_OUT}") from error


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries of one kind by key.

    Attributes:
        folder: created when the first entry is written.
        limit: maximum size in bytes; the least recently used entries are removed when it is exceeded.
    """

    folder: Path
    limit: int | None = None

    @classmethod
    def of(cls, root: Path, kind: str) -> Self:
        """The entries of one of `KINDS`."""
        assert kind in KINDS, kind
        return cls(root / kind, LIMITS.get(kind))

    def file(self, key: str, suffix: str = ".npy") -> Path:
        """Path of one file of an entry; the key itself may contain dots."""
        return self.folder / f"{key}{suffix}"

    def read(self, key: str) -> dict[str, Any]:
        """Read the description of an entry.

        Raises:
            ConfigError: the description is missing or damaged.
        """
        description: dict[str, Any] = read_json(self.file(key, DESCRIPTION))
        return description

    def array(self, key: str, suffix: str = ".npy", *, mapped: bool = False) -> Array:
        """Load one array of an entry, memory-mapped if `mapped`."""
        loaded: Array = np.load(self.file(key, suffix), mmap_mode="r" if mapped else None, allow_pickle=False)
        return loaded

    def holds(self, key: str, *, unchanged: bool = False) -> bool:
        """Whether the entry exists and its arrays have their original file sizes; counts as a use of the entry.

        Args:
            unchanged: also compare the arrays' SHA-256, which reads them whole.
        """
        try:
            described = self.read(key)
            sizes, digests = described["bytes"], described["sha256"] if unchanged else {}
            whole = all(self.file(key, suffix).stat().st_size == size for suffix, size in sizes.items())
            whole = whole and all(digest_file(self.file(key, suffix)) == digest for suffix, digest in digests.items())
        except (ConfigError, OSError, KeyError, TypeError, AttributeError):
            return False
        touch(self.file(key, DESCRIPTION))
        return whole

    def write(self, key: str, arrays: Mapping[str, Array], description: Mapping[str, Any] | None = None) -> None:
        """Write one file per array, then the description.

        Args:
            arrays: arrays by file suffix, such as `".brain.npy"`.
            description: JSON-serialisable values; file sizes and digests are added as `bytes` and `sha256`. None for
                an entry of one array.

        Raises:
            ConfigError: the cache cannot be written.
            ResourceError: the disk is full.
        """
        with writing(self.folder):
            for suffix, array in arrays.items():
                with atomic(self.file(key, suffix), WAY_OUT) as file:
                    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            if description is not None:
                files = {suffix: self.file(key, suffix) for suffix in arrays}
                sizes = {suffix: file.stat().st_size for suffix, file in files.items()}
                digests = {suffix: digest_file(file) for suffix, file in files.items()}
                whole = {**description, "bytes": sizes, "sha256": digests} if arrays else dict(description)
                write_json(self.file(key, DESCRIPTION), whole, WAY_OUT)
        self._trim()

    def recall(self, key: str, make: Callable[[], Array]) -> Array:
        """Return the array under `key`; if it is missing or damaged, compute it, and store it if the cache is writable.

        The file contains the output of `numpy.save` followed by the SHA-256 of those bytes.
        """
        with suppress(OSError):  # another process may remove it at any time
            stored = memoryview(self.file(key).read_bytes())
            content, digest = stored[:-DIGEST_BYTES], stored[-DIGEST_BYTES:]
            if hashlib.sha256(content).digest() == digest:
                touch(self.file(key))
                return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
        made = np.ascontiguousarray(make())
        with suppress(ConfigError):
            self._keep(key, made)
        return made

    def _keep(self, key: str, array: Array) -> None:
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        with writing(self.folder), atomic(self.file(key), WAY_OUT) as file:
            file.write(content.getbuffer())
            file.write(hashlib.sha256(content.getbuffer()).digest())
        self._trim()

    def _trim(self) -> None:
        if self.limit is not None:
            trim(entries(self.folder), self.limit)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Files that are removed together.

    Attributes:
        used: time of last use, seconds since the epoch.
        files: the description comes first, so that a partly removed entry is never considered complete.
    """

    used: float
    bytes: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Disk usage of one kind of entry."""

    kind: str
    files: int
    bytes: int

    @property
    def meaning(self) -> str:
        """Description of the kind."""
        return KINDS[self.kind]


def list_cache(root: Path) -> list[CacheUse]:
    """Disk usage of the cache by kind, including kinds without entries."""
    return [_use(kind, entries(root / kind)) for kind in KINDS]


def clear_cache(root: Path, kinds: Iterable[str] = (), *, limit: int = 0) -> list[CacheUse]:
    """Remove entries of these kinds (by default all), least recently used first, and return the disk usage freed.

    A run that has already opened a removed file can still read it.

    Args:
        limit: size in bytes of the entries that may remain; by default all entries are removed.

    Raises:
        ConfigError: the kind is unknown, or files cannot be removed.
    """
    chosen = list(kinds) or list(KINDS)
    for kind in chosen:
        if kind not in KINDS:
            raise unknown("kind of cache entry", kind, KINDS)
    found = {kind: entries(root / kind) for kind in chosen}
    removed = trim([entry for kept in found.values() for entry in kept], limit)
    stuck = next((file for entry in removed for file in entry.files if file.exists()), None)
    if stuck is not None:
        raise ConfigError(f"{stuck} cannot be removed: it belongs to another user, or its folder is read-only")
    return [_use(kind, [entry for entry in removed if entry in found[kind]]) for kind in chosen]


def entries(folder: Path) -> list[CacheEntry]:
    """List the entries of one kind: files that share a key, or all files of a subfolder."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).parts[0]
            key = name.lstrip(".").partition(".")[0]  # files that are being written begin with a dot
            parts.setdefault(name if (folder / name).is_dir() else key, []).append(path)
    return [found for files in parts.values() if (found := _entry(files))]


def trim(kept: Iterable[CacheEntry], limit: int) -> list[CacheEntry]:
    """Remove the least recently used entries until at most `limit` bytes remain, and return the removed entries."""
    total, removed = 0, []
    for entry in sorted(kept, key=lambda entry: entry.used, reverse=True):
        total += entry.bytes
        if total > limit or not limit:
            removed.append(entry)
    for file in (file for entry in removed for file in entry.files):
        with suppress(OSError):  # already removed, or owned by another user
            file.unlink()
    return removed


def touch(path: Path) -> None:
    """Update the time of last use, if permitted."""
    with suppress(OSError):
        os.utime(path)


def _entry(files: list[Path]) -> CacheEntry | None:
    facts = []
    for path in sorted(files, key=lambda path: path.suffix != DESCRIPTION):
        with suppress(FileNotFoundError):
            facts.append((path, path.stat()))
    if not facts:
        return None
    times, sizes = [s.st_mtime for _, s in facts], [s.st_size for _, s in facts]
    return CacheEntry(max(times), sum(sizes), tuple(path for path, _ in facts))


def _use(kind: str, kept: Iterable[CacheEntry]) -> CacheUse:
    kept = list(kept)
    return CacheUse(kind, sum(len(entry.files) for entry in kept), sum(entry.bytes for entry in kept))
