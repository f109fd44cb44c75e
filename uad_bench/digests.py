"""SHA-256 digests of JSON values, settings and files."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

DISCRIMINATORS = ("kind", "step")


def digest_json(value: Any) -> str:
    """SHA-256 of the canonical JSON text (sorted keys, no spaces, no NaN), in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_settings(value: Any, *, version: int) -> str:
    """SHA-256 of settings held in dataclasses, in hex.

    Fields at their default are left out, so that adding a field does not change existing digests; fields in
    `DISCRIMINATORS` are always included. Increase the version when a default changes.
    """
    return digest_json([version, _plain(value)])


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        held = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {field.name: _plain(content) for field, content in held if _counts(field, content)}
    if isinstance(value, dict):
        return {key: _plain(content) for key, content in value.items()}
    return [_plain(content) for content in value] if isinstance(value, list | tuple) else value


def _counts(field: "dataclasses.Field[Any]", content: Any) -> bool:
    if field.name in DISCRIMINATORS:
        return True
    made = dataclasses.MISSING if field.default_factory is dataclasses.MISSING else field.default_factory()
    return content not in (field.default, made)
