"""The digest of a method's own source code, found without running it."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from uad_bench.digests import digest_file, digest_json
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source import Source, find_source

PLAIN = (bool, int, float, complex, str, bytes, type(None))
OTHERS = {"builtins", "typing", "abc", "enum", "uad_bench", "torch", "numpy", "dataclasses"}


def digest_source(entry: Entry) -> str:
    """SHA-256 of the method's source file and of everything that it imports from its own package.

    The harness is not included: its version is recorded, but a new release does not invalidate old runs. For a plugin
    file, the digest covers what it imports from its folder; for a command, its words and the files that they name.
    """
    if entry.file is not None:
        beside: dict[str, str] = {}
        _collect_beside(entry.file, entry.file.parent, beside)
        return digest_json(beside) if len(beside) > 1 else digest_file(entry.file)
    if entry.command:
        return digest_json([digest_file(Path(word)) if Path(word).is_file() else word for word in entry.command])
    if entry.live is not None:
        return digest_json(_live_source(entry.live if isinstance(entry.live, type) else type(entry.live)))
    seen: dict[str, str] = {}
    _collect(entry.target.partition(":")[0], seen)
    return digest_json(seen)


def _collect_beside(file: Path, folder: Path, seen: dict[str, str]) -> None:
    """Add a file, and what it imports from this folder, to `seen` (relative path -> digest)."""
    seen[str(file.relative_to(folder))] = digest_file(file)
    try:
        imported = {name.partition(".")[0] for name in Source.read(file).imports()} - {""}
    except SyntaxError:
        return
    for name in sorted(imported):
        for path in (folder / f"{name}.py", *sorted((folder / name).rglob("*.py"))):
            if path.is_file() and str(path.relative_to(folder)) not in seen:
                _collect_beside(path, folder, seen)


def _collect(module: str, seen: dict[str, str]) -> None:
    """Add `module`, its parent packages, and what they import from the same top-level package (name -> digest)."""
    if module in seen or (source := _source(module)) is None:
        return
    seen[module] = digest_file(source.path)
    package, _, inner = module.partition(".")
    around = [module.rpartition(".")[0]] if inner else []
    for name in [*around, *sorted(source.imports())]:
        if name.partition(".")[0] == package:
            _collect(name, seen)


def _source(module: str) -> Source | None:
    """The module's source; None for names of other objects, as in `from package import function`."""
    try:
        return find_source(module)
    except (ImportError, SyntaxError, OSError, ValueError):
        return None


def _live_source(cls: type) -> dict[str, str]:
    """Source of a class, its base classes, and what they use of their package; byte code if there is no source.

    Returns:
        text by qualified name; the value of plain constants.
    """
    found: dict[str, str] = {}
    for above in reversed(cls.__mro__):
        if _package(above) not in OTHERS:
            _collect_live(above, found)
    return found


def _collect_live(thing: Any, found: dict[str, str]) -> None:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name in found:
        return
    found[name] = _live_text(thing)
    for code, scope in _codes(thing):
        for used in code.co_names:
            if used in scope:
                _note(used, scope[used], _package(thing), found)


def _note(name: str, value: Any, package: str, found: dict[str, str]) -> None:
    if isinstance(value, PLAIN):
        found[name] = repr(value)
    elif isinstance(value, FunctionType | type) and _package(value) == package:
        _collect_live(value, found)


def _live_text(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return repr([_plain_code(code) for code, _ in _codes(thing)])


def _codes(thing: Any) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """Code objects and globals of a function, or of all functions of a class."""
    members = vars(thing).values() if isinstance(thing, type) else [thing]
    for member in members:
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if isinstance(function, FunctionType):
            for code in _nested(function.__code__):
                yield code, function.__globals__


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _plain_code(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(repr(c) for c in code.co_consts if not isinstance(c, CodeType))
    return code.co_name, code.co_code.hex(), code.co_names, constants


def _package(thing: Any) -> str:
    return str(thing.__module__).partition(".")[0]
