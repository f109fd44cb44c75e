"""Several data folders under one root, for tasks that read more than one cohort: `--data ixi=DIR --data brats=DIR`."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from uad_bench.data.cache import cache_root
from uad_bench.errors import ConfigError, DataError

FOLDER = "joined"


def data_root(given: Sequence[str]) -> Path | None:
    """The folder that is given, or one with a link per `NAME=DIR`; None if nothing is given.

    Raises:
        ConfigError: several folders without a name, or a name twice.
        DataError: a named folder does not exist.
    """
    if not given:
        return None
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).exists()):
        return Path(given[0])
    return _join(dict(map(_named, given)), count=len(given))


def _named(text: str) -> tuple[str, Path]:
    name, equals, place = text.partition("=")
    if not equals or not name or "/" in name or name.startswith("."):
        raise ConfigError(f"--data {text!r} is one of several; write NAME=DIR, such as ixi=/data/IXI")
    folder = Path(place).expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; choose the data folder with --data {name}=DIR")
    return name, folder


def _join(folders: dict[str, Path], *, count: int) -> Path:
    if len(folders) < count:
        raise ConfigError("--data: two folders have the same name; give each cohort once")
    text = "\0".join(f"{name}={folder}" for name, folder in sorted(folders.items()))
    root = cache_root().resolve() / FOLDER / hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
    root.mkdir(parents=True, exist_ok=True)
    for name, folder in folders.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(folder, target_is_directory=True)
    return root
