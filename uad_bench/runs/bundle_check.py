"""Reads a stranger's bundle without trusting it: nothing is unpacked to disk, nothing is run, everything is bounded."""

import hashlib
import io
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import parse_json, safe_name
from uad_bench.runs.bundle import FORMAT, INDEX, TABLES
from uad_bench.runs.manifest import Manifest
from uad_bench.runs.record import RunRecord, record_digest
from uad_bench.runs.redaction import hide_paths

MOST_MEMBERS = 100_000
LARGEST_MEMBER = 1 << 30
LARGEST_BUNDLE = 1 << 36
FOLD = re.compile(r"fold\d{1,3}/")
DOCUMENTS = ("record.json", "experiment.json", "MANIFEST.json")
DIMENSIONS = 3
BROKEN = (
    *(BadZipFile, NotImplementedError, RuntimeError, zlib.error, struct.error, OSError, EOFError),
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError),
)
"""All that the readers of zip, JSON and npy raise on broken input."""


def check_bundle(file: Path) -> RunRecord:
    """The record of a bundle whose every member is what its index and its record say.

    Raises:
        ConfigError: there is no such file.
        VerificationError: naming the first member that is missing, foreign, too large, or not what is stated.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    try:
        with stream, ZipFile(stream) as archive:
            return _check(archive)
    except BROKEN as error:
        raise VerificationError(f"{file.name}: not a sound bundle: {error}") from error
    except VerificationError as error:
        raise VerificationError(f"{file.name}: {error}") from error


def _check(archive: ZipFile) -> RunRecord:
    members = _inspect(archive)
    _compare_digests(archive, members, _object(INDEX, _read(archive, members[INDEX])))
    whole, *_ = [_check_run(archive, members, prefix) for prefix in _prefixes(members)]
    return whole


def _inspect(archive: ZipFile) -> dict[str, ZipInfo]:
    """The members by name, if each is a plain file with a name of ours and a size in bounds."""
    listed = archive.infolist()
    if len(listed) > MOST_MEMBERS or sum(member.file_size for member in listed) > LARGEST_BUNDLE:
        raise VerificationError("too many or too large members")
    for member in listed:
        if member.orig_filename != member.filename or not _is_ours(member.filename):
            raise VerificationError(f"member {member.orig_filename[:80]!r} has no business in a bundle")
        if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise VerificationError(f"member {member.filename!r} is packed in an unknown way")
        if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
            raise VerificationError(f"member {member.filename!r} is a link or no plain file")
        if member.file_size > LARGEST_MEMBER:
            raise VerificationError(f"member {member.filename!r} claims {member.file_size} bytes")
    members = {member.filename: member for member in listed}
    if len(members) < len(listed):
        raise VerificationError("a member stands twice")
    return members


def _is_ours(name: str) -> bool:
    inner = FOLD.sub("", name, count=1) if FOLD.match(name) else name
    if inner in {INDEX, *DOCUMENTS, *TABLES}:
        return True
    folder, _, subject = inner.partition("/")
    try:
        return folder == "maps" and subject.endswith(".npy") and bool(safe_name(subject[:-4], "subject"))
    except ConfigError:
        return False


def _read(archive: ZipFile, member: ZipInfo) -> bytes:
    """The member, never more of it than it claims to be."""
    with archive.open(member) as stream:
        data = stream.read(member.file_size + 1)
    if len(data) != member.file_size:
        raise VerificationError(f"member {member.filename!r} is not as large as it claims")
    return data


def _compare_digests(archive: ZipFile, members: Mapping[str, ZipInfo], index: Mapping[str, Any]) -> None:
    if index.get("format") != FORMAT:
        raise VerificationError(f"format {index.get('format')!r} is not known to this version")
    listed = index["files"]
    if set(listed) != set(members) - {INDEX}:
        odd = sorted(set(listed) ^ (set(members) - {INDEX}))
        raise VerificationError(f"{odd[0]!r} is listed and absent, or present and not listed")
    for name, entry in listed.items():
        if hashlib.sha256(_read(archive, members[name])).hexdigest() != entry["sha256"]:
            raise VerificationError(f"member {name!r} is not what the index states (SHA-256 differs)")


def _prefixes(members: Mapping[str, ZipInfo]) -> list[str]:
    """The run itself and its folds."""
    return ["", *sorted({match[0] for name in members if (match := FOLD.match(name))})]


def _check_run(archive: ZipFile, members: Mapping[str, ZipInfo], prefix: str) -> RunRecord:
    """The record, if it is sealed, its tables are those it names, and its maps those of the manifest."""
    document = _document(archive, members, f"{prefix}record.json")
    _document(archive, members, f"{prefix}experiment.json")
    if document.get("digest") != record_digest(document):
        raise VerificationError(f"{prefix}record.json was changed after it was sealed")
    record = RunRecord.model_validate(document)
    for name, digest in (record.files or {}).items():
        if hashlib.sha256(_read(archive, members[f"{prefix}{name}"])).hexdigest() != digest:
            raise VerificationError(f"{prefix}{name} is not the table that the record was sealed with")
    maps = [name for name in members if name.startswith(f"{prefix}maps/")]
    if maps:
        stored = Manifest.model_validate(_document(archive, members, f"{prefix}MANIFEST.json")).maps
        for name in maps:
            _check_map(name, _read(archive, members[name]), stored[name.rpartition("/")[2][:-4]].shape)
    return record


def _document(archive: ZipFile, members: Mapping[str, ZipInfo], name: str) -> dict[str, Any]:
    document = _object(name, _read(archive, members[name]))
    if path := next((text for text in _texts(document) if hide_paths(text) != text), None):
        raise VerificationError(f"{name} holds a path of somebody's machine: {path[:80]!r}")
    return document


def _object(name: str, data: bytes) -> dict[str, Any]:
    value = parse_json(data.decode())
    if not isinstance(value, dict):
        raise VerificationError(f"{name} holds no JSON object")
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(item)


def _check_map(name: str, data: bytes, shape: tuple[int, ...] | None) -> None:
    """Refuse a map that is not 16 bits a voxel of the shape stated, before its voxels are read."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0(stream) if version == (1, 0) else None
    if header is None or header[2] != np.uint16 or header[0] != shape or len(header[0]) != DIMENSIONS:
        raise VerificationError(f"{name} holds no 16-bit map of the shape {shape}")
    if len(data) - stream.tell() != 2 * int(np.prod(header[0])):
        raise VerificationError(f"{name} is cut or has something behind its voxels")
