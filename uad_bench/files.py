"""Atomic file writing: temporary name in the same folder, fsync, rename, fsync of the folder."""

import contextlib
import errno
import json
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from uad_bench.errors import ConfigError, PathError, ResourceError

log = logging.getLogger(__name__)

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ROOM = 1 << 30  # bytes below which a disk counts as full: a checkpoint may be as large
LARGEST_JSON = 256 << 20
SAFE_NAME = re.compile(r"[^\W_][\w.+ -]*(?<! )")
LONGEST_NAME = 200  # bytes; temporary names add some


@contextmanager
def atomic(path: Path, way_out: str | None = None) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under `path` only once it is complete.

    Args:
        way_out: last part of the error message; by default it suggests another location.

    Raises:
        ResourceError: the disk is full; no incomplete file remains.
        ConfigError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
        log.debug("wrote %s", path)
    except OSError as error:
        raise storage_error(path, error, way_out) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def prepare_output(path: Path) -> Path:
    """Create the folder of `path` and check that it is writable, before a long computation that writes there.

    Raises:
        PathError: the folder cannot be created or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    if path.is_dir():
        raise PathError(path, "this is a folder, not a file")
    if not os.access(path.parent, os.W_OK):
        raise PathError(path, "permission denied")
    return path


def safe_name(name: str, what: str) -> str:
    """Return `name` if it is a plain file name without a path.

    Raises:
        ConfigError: the name has a separator, a control or formatting character, a leading dot or dash, or is too long.
    """
    fits = SAFE_NAME.fullmatch(name) and ".." not in name and len(name.encode()) <= LONGEST_NAME
    if not fits:
        shown = name if len(name) < 60 else f"{name[:57]}..."
        raise ConfigError(
            f"{what} {shown!r} cannot be a file name: use up to {LONGEST_NAME} letters, digits, '_', '-', '.' and '+'"
        )
    return name


def storage_error(path: Path, error: OSError, way_out: str | None = None) -> ResourceError | ConfigError:
    """Convert an OSError: a full disk is a ResourceError, everything else a ConfigError about the path."""
    if error.errno in NO_SPACE or error.errno is None:  # numpy reports a short write without a number
        why = error.strerror or "no space left"
        return ResourceError(f"{path}: {why}; free some space and run the same command again")
    if way_out:
        return ConfigError(f"{path}: {error.strerror}; {way_out}")
    return PathError(path, str(error.strerror))


def lacks_space(folder: Path) -> bool:
    """Whether the disk has less than `ROOM` left, or takes no file."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(1 << 16))
        return shutil.disk_usage(folder).free < ROOM
    except OSError:
        return True


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder durable, where the file system supports fsync of folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, way_out: str | None = None) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path, way_out) as file:
        file.write(text.encode())


def read_text(path: Path) -> str:
    """Read UTF-8 text, with or without a byte order mark.

    Raises:
        ConfigError: the file cannot be read, or is in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def write_json(path: Path, value: Any, way_out: str | None = None) -> None:
    """Write JSON atomically, one key per line; NaN is refused because it is not valid JSON."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n", way_out)


def read_json(path: Path) -> Any:
    """Read JSON, refusing duplicate keys, NaN, invalid Unicode, deep nesting and files over 256 MiB.

    Raises:
        ConfigError: the file is missing, damaged, or has a duplicate key.
    """
    try:
        return parse_json(_bounded(path).decode())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_json(text: str) -> Any:
    """Parse JSON under the rules of `read_json`.

    Raises:
        ValueError: the text is not valid under these rules.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # raises for an unpaired surrogate
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST_JSON + 1)
    if len(data) > LARGEST_JSON:
        raise ValueError(f"over {LARGEST_JSON >> 20} MiB, too large for a file of uad-bench")
    return data


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(k for k in unique if keys.count(k) > 1)!r}")
    return unique


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
