"""Validate an untrusted bundle before anything reaches the disk; nothing is executed, and all sizes are bounded."""

import hashlib
import io
import math
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import DTypeLike, NDArray

from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import parse_json, safe_name
from uad_bench.runs.bundle import FORMAT, INDEX, LEVELS, MOST_LEVELS, README, TABLES
from uad_bench.runs.checkpoints import CheckpointFacts, Manifest
from uad_bench.runs.document import hide_paths
from uad_bench.runs.record import RunRecord, record_digest

MOST_MEMBERS = 100_000
LARGEST_MEMBER = 1 << 30
LARGEST_BUNDLE = 1 << 36
FOLD = re.compile(r"fold\d{1,3}/")
EVENTS, WEIGHTS, TRAINED_ON = "events.jsonl", "checkpoint.safetensors", "checkpoint.json"
DOCUMENTS = ("record.json", "experiment.json", "MANIFEST.json", EVENTS, WEIGHTS, TRAINED_ON)
DIMENSIONS = 3
BROKEN = (
    *(BadZipFile, NotImplementedError, RuntimeError, zlib.error, struct.error, OSError, EOFError),
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, SyntaxError, TokenError),
)
"""Exceptions that the readers of zip, JSON and npy raise on invalid input."""


def check_bundle(file: Path) -> RunRecord:
    """Check every member of a bundle against its index and record, and return the record.

    Raises:
        ConfigError: the file cannot be opened.
        VerificationError: names the first member that is missing, unexpected, too large, or differs from its digest.
    """
    with reading(file) as archive:
        return check_archive(archive)[0]


@contextmanager
def reading(file: Path) -> Iterator[ZipFile]:
    """Open a bundle; every error that its content causes is a `VerificationError` that names the file."""
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    try:
        with stream, ZipFile(stream) as archive:
            yield archive
    except BROKEN as error:
        raise VerificationError(f"{file.name}: not a valid bundle: {error}") from error
    except VerificationError as error:
        raise VerificationError(f"{file.name}: {error}") from error


def check_archive(archive: ZipFile) -> tuple[RunRecord, dict[str, ZipInfo]]:
    """The record of an open bundle, and its members by name, after checking all of them."""
    members = _inspect(archive)
    _compare_digests(archive, members, _object(INDEX, read_member(archive, members[INDEX])))
    folds = sorted({match[0] for name in members if (match := FOLD.match(name))})
    whole, *_ = [_check_run(archive, members, prefix) for prefix in ("", *folds)]
    return whole, members


def _inspect(archive: ZipFile) -> dict[str, ZipInfo]:
    """The members by name, after checking that each is a regular file with an expected name and size."""
    listed = archive.infolist()
    if len(listed) > MOST_MEMBERS or sum(member.file_size for member in listed) > LARGEST_BUNDLE:
        raise VerificationError("too many or too large members")
    for member in listed:
        if member.orig_filename != member.filename or not _is_ours(member.filename):
            raise VerificationError(f"unexpected file in bundle: {member.orig_filename[:80]!r}")
        if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise VerificationError(f"member {member.filename!r} uses an unsupported compression method")
        if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
            raise VerificationError(f"member {member.filename!r} is not a regular file")
        if member.file_size > LARGEST_MEMBER:
            raise VerificationError(f"member {member.filename!r} claims {member.file_size} bytes")
    members = {member.filename: member for member in listed}
    if len(members) < len(listed):
        raise VerificationError("duplicate member name")
    return members


def _is_ours(name: str) -> bool:
    inner = FOLD.sub("", name, count=1) if FOLD.match(name) else name
    if inner in {INDEX, README, LEVELS, *DOCUMENTS, *TABLES}:
        return True
    folder, _, subject = inner.partition("/")
    try:
        return folder == "maps" and subject.endswith(".npy") and bool(safe_name(subject[:-4], "subject"))
    except ConfigError:
        return False


def read_member(archive: ZipFile, member: ZipInfo) -> bytes:
    """Read a member, at most up to its stated size."""
    with archive.open(member) as stream:
        data = stream.read(member.file_size + 1)
    if len(data) != member.file_size:
        raise VerificationError(f"member {member.filename!r} does not have its stated size")
    return data


def _compare_digests(archive: ZipFile, members: Mapping[str, ZipInfo], index: Mapping[str, Any]) -> None:
    if index.get("format") != FORMAT:
        raise VerificationError(f"format {index.get('format')!r} is not supported by this version")
    listed = index["files"]
    if set(listed) != set(members) - {INDEX}:
        unmatched = sorted(set(listed) ^ (set(members) - {INDEX}))
        raise VerificationError(f"{unmatched[0]!r} is listed but absent, or present but not listed")
    for name, entry in listed.items():
        if hashlib.sha256(read_member(archive, members[name])).hexdigest() != entry["sha256"]:
            raise VerificationError(f"member {name!r} does not match the index (SHA-256 differs)")


def _check_run(archive: ZipFile, members: Mapping[str, ZipInfo], prefix: str) -> RunRecord:
    """Check the seal of the record, its tables, and its maps against the manifest; return the record."""
    document = _document(archive, members, f"{prefix}record.json")
    _document(archive, members, f"{prefix}experiment.json")
    if document.get("digest") != record_digest(document):
        raise VerificationError(f"{prefix}record.json was changed after it was sealed")
    record = RunRecord.model_validate(document)
    for name, digest in (record.files or {}).items():
        if hashlib.sha256(read_member(archive, members[f"{prefix}{name}"])).hexdigest() != digest:
            raise VerificationError(f"{prefix}{name} does not match the digest in the record")
    if (log := f"{prefix}{EVENTS}") in members:
        for line in read_member(archive, members[log]).splitlines():
            _require_no_path(log, _object(log, line))
    if {f"{prefix}{WEIGHTS}", f"{prefix}{TRAINED_ON}"} & set(members):
        _check_weights(archive, members, prefix, record)
    if maps := [name for name in members if name.startswith(f"{prefix}maps/")]:
        _check_maps(archive, members, prefix, maps)
    return record


def _check_weights(archive: ZipFile, members: Mapping[str, ZipInfo], prefix: str, record: RunRecord) -> None:
    """Check the weights against their digests, and that the signatures include every training patient."""
    facts = _object(TRAINED_ON, read_member(archive, members[f"{prefix}{TRAINED_ON}"]))  # base64 may look like a path
    described = CheckpointFacts.model_validate(facts)
    digest = hashlib.sha256(read_member(archive, members[f"{prefix}{WEIGHTS}"])).hexdigest()
    manifest = Manifest.model_validate(_document(archive, members, f"{prefix}MANIFEST.json"))
    if not described.sha256 == digest == manifest.checkpoint:
        raise VerificationError(f"{prefix}{WEIGHTS} does not match its digests")
    if lacking := sorted({*(record.subjects.train or ())} - {*described.training_set}):
        raise VerificationError(f"{prefix}{TRAINED_ON} lacks the signature of training patient {lacking[0]}")


def _document(archive: ZipFile, members: Mapping[str, ZipInfo], name: str) -> dict[str, Any]:
    document = _object(name, read_member(archive, members[name]))
    _require_no_path(name, document)
    return document


def _require_no_path(name: str, document: dict[str, Any]) -> None:
    if path := next((text for text in _texts(document) if hide_paths(text) != text), None):
        raise VerificationError(f"{name} contains a local path: {path[:80]!r}")


def _object(name: str, data: bytes) -> dict[str, Any]:
    value = parse_json(data.decode())
    if not isinstance(value, dict):
        raise VerificationError(f"{name} is not a JSON object")
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(item)


def _check_maps(archive: ZipFile, members: Mapping[str, ZipInfo], prefix: str, maps: Sequence[str]) -> None:
    """Check the shapes of the maps against the manifest, and their codes against the levels."""
    stored = Manifest.model_validate(_document(archive, members, f"{prefix}MANIFEST.json")).maps
    count = _count_levels(f"{prefix}{LEVELS}", read_member(archive, members[f"{prefix}{LEVELS}"]))
    for name in maps:
        codes = _array(name, read_member(archive, members[name]), np.uint16)
        shape = stored[name.rpartition("/")[2][:-4]].shape
        if codes.ndim != DIMENSIONS or codes.shape != shape:
            raise VerificationError(f"{name} has shape {codes.shape}, the manifest {shape}")
        if codes.max() >= count:
            raise VerificationError(f"{name} has code {codes.max()}, but {prefix}{LEVELS} has {count} levels")


def _count_levels(name: str, data: bytes) -> int:
    """The number of levels, after checking that they are finite and strictly increasing."""
    levels = _array(name, data, np.float32)
    if levels.ndim != 1 or not 1 <= levels.size <= MOST_LEVELS:
        raise VerificationError(f"{name} is not a list of 1 to {MOST_LEVELS} levels")
    if not (np.isfinite(levels).all() and (levels[1:] > levels[:-1]).all()):
        raise VerificationError(f"{name}: the levels are not finite and strictly increasing")
    return levels.size


def _array(name: str, data: bytes, dtype: DTypeLike) -> NDArray[Any]:
    """Read an array, after checking that its header states this type and the size of its data."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0(stream) if version == (1, 0) else None
    if header is None or header[2] != dtype:
        raise VerificationError(f"{name} is not an array of {np.dtype(dtype)}")
    if len(data) - stream.tell() != np.dtype(dtype).itemsize * math.prod(header[0]):
        raise VerificationError(f"{name} is truncated or has trailing data")
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array
