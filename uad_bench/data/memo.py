"""Arrays that are dear to make, kept in the cache up to a size; what was not used for longest goes first.

A file holds the array as `numpy.save` writes it and, after it, the SHA-256 of those bytes: a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic

Array = NDArray[np.float32]
DIGEST_BYTES = 32
LIMIT = 16 << 30  # bytes; about the filtered maps of all 1,251 patients of BraTS 2021


@dataclass(frozen=True, slots=True)
class Memo:
    """A folder of float32 arrays by key.

    Attributes:
        folder: made when the first array is kept.
        limit: bytes; an array that does not fit with the others pushes out those not used for longest.
    """

    folder: Path
    limit: int = LIMIT

    def recall(self, key: str, make: Callable[[], Array]) -> Array:
        """The array under `key`, made now if it is not there (any more)."""
        path = self.folder / f"{key}.npy"
        with suppress(FileNotFoundError):  # another process may forget it at any time
            content, digest = _split(path.read_bytes())
            if hashlib.sha256(content).digest() == digest:
                with suppress(OSError):  # the cache may be another user's
                    os.utime(path)
                return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), np.float32)
        made = np.ascontiguousarray(make())
        self._keep(path, made)
        return made

    def _keep(self, path: Path, array: Array) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        with atomic(path) as file:
            file.write(content.getbuffer())
            file.write(hashlib.sha256(content.getbuffer()).digest())
        total = 0
        for _, size, kept in sorted(self._kept(), reverse=True):
            total += size
            if total > self.limit:
                with suppress(OSError):  # gone already, or another user's
                    kept.unlink()

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        """Time of last use, bytes and path of each array."""
        for path in self.folder.glob("*.npy"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield facts.st_mtime, facts.st_size, path


def _split(stored: bytes) -> tuple[memoryview, bytes]:
    """The array's bytes and their digest."""
    return memoryview(stored)[:-DIGEST_BYTES], stored[-DIGEST_BYTES:]
