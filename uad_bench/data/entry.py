"""A cache entry: some arrays, and a description that is written last and knows their sizes.

An entry is whole or it is made again; nobody can open half of one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.errors import ConfigError
from uad_bench.files import atomic, read_json, write_json

DESCRIPTION = ".json"


def write_entry(path: Path, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> None:
    """Write `path` + suffix for each array, then `path.json`.

    Args:
        path: folder and key.
        arrays: by suffix, such as `".brain.npy"`.
        description: JSON-able; gets the key `bytes`.
    """
    for suffix, array in arrays.items():
        with atomic(entry_file(path, suffix)) as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    sizes = {suffix: entry_file(path, suffix).stat().st_size for suffix in arrays}
    write_json(entry_file(path, DESCRIPTION), {**description, "bytes": sizes})


def is_whole(path: Path) -> bool:
    """Whether the description is there and every array has the size that it had when written."""
    try:
        sizes = read_entry(path)["bytes"]
        return all(entry_file(path, suffix).stat().st_size == size for suffix, size in sizes.items())
    except (ConfigError, OSError, KeyError, TypeError, AttributeError):
        return False


def read_entry(path: Path) -> dict[str, Any]:
    """The description."""
    description: dict[str, Any] = read_json(entry_file(path, DESCRIPTION))
    return description


def entry_file(path: Path, suffix: str) -> Path:
    """The file of one part; the key itself may hold dots."""
    return path.with_name(path.name + suffix)
