"""Digests that name things by content: JSON values, files, and a method's own source."""

import ast
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from uad_bench.registry import Entry

BLOCK = 1 << 20


def digest_json(value: Any) -> str:
    """SHA-256 of the canonical JSON text (sorted keys, no spaces, no NaN), in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_source(entry: Entry) -> str:
    """SHA-256 over the method's source file and whatever it imports from its own package, found without running it.

    The harness is not part of it: its version is recorded, but a harness release does not make old runs new.
    """
    if entry.file is not None:
        return digest_file(entry.file)
    seen: dict[str, str] = {}
    _collect(entry.target.partition(":")[0], seen)
    return digest_json(seen)


def _collect(module: str, seen: dict[str, str]) -> None:
    """Add `module` and the modules of the same top-level package that it imports, to `seen` (name -> digest)."""
    source = _source_file(module)
    if source is None or module in seen:
        return
    seen[module] = digest_file(source)
    package = module.partition(".")[0]
    for name in _imports(source):
        if name.partition(".")[0] == package:
            _collect(name, seen)


def _source_file(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    origin = Path(spec.origin) if spec and spec.origin else None
    return origin if origin and origin.suffix == ".py" else None


def _imports(source: Path) -> list[str]:
    """Absolute module names in import statements; `from a import b` may name a module `a.b`, so both are tried."""
    names = []
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
