"""Arrays that are dear to make, kept in the cache up to a size; what was not used for longest goes first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.files import atomic

Array = NDArray[np.float32]
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
            kept = np.load(path, allow_pickle=False)
            with suppress(OSError):  # the cache may be another user's
                os.utime(path)
            return np.asarray(kept, np.float32)
        made = np.ascontiguousarray(make())
        self._keep(path, made)
        return made

    def _keep(self, path: Path, array: Array) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            np.save(file, array, allow_pickle=False)
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
