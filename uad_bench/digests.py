"""SHA-256 digests of JSON values and files."""

import hashlib
import json
from pathlib import Path
from typing import Any


def digest_json(value: Any) -> str:
    """SHA-256 of the canonical JSON text (sorted keys, no spaces, no NaN), in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
