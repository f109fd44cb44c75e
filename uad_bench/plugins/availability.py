"""Finds out whether a registered method can be loaded, without importing it."""

import ast
import importlib.util
from pathlib import Path

from uad_bench.plugins.registry import Entry, lacks
from uad_bench.plugins.source import Source, find_source


def problem_of(entry: Entry) -> str | None:
    """The reason why a method cannot be loaded (broken source or a missing import); None if it probably can."""
    try:
        source = Source.read(entry.file) if entry.file else find_source(entry.target.rpartition(":")[0])
        missing = _missing_import(source, set()) if source else None
        return lacks(missing, entry.distribution) if missing else None
    except SyntaxError as error:
        return f"{Path(error.filename or '?').name}, line {error.lineno}: {error.msg}"
    except (ModuleNotFoundError, ValueError, OSError) as error:
        return str(error)


def source_file(entry: Entry) -> Path | None:
    """The file that defines the method; None if it cannot be found without running code."""
    source = None if entry.file else _source(entry)
    return entry.file or (source.path if source else None)


def docstring_of(entry: Entry) -> str:
    """First line of the docstring of the class, or of its module; empty if it cannot be found without running code."""
    source, name = _source(entry), entry.target.rpartition(":")[2]
    nodes = [source.classes.get(name), source.tree] if source else []
    texts = (ast.get_docstring(node) for node in nodes if node)
    return next((text.partition("\n")[0] for text in texts if text), "")


def _source(entry: Entry) -> Source | None:
    try:
        return Source.read(entry.file) if entry.file else find_source(entry.target.rpartition(":")[0])
    except (ImportError, SyntaxError, ValueError, OSError):
        return None


def _missing_import(source: Source, seen: set[str]) -> str | None:
    """The first missing module that is imported at top level, here or in modules of the same package."""
    seen.add(source.module)
    package = source.module.partition(".")[0]
    for module in source.required_imports():
        top = module.partition(".")[0]
        if top != package and top and not _exists(top, source.path.parent):
            return top
        below = find_source(module) if top == package and module not in seen else None
        if below and (missing := _missing_import(below, seen)):
            return missing
    return None


def _exists(top: str, beside: Path) -> bool:
    local = (beside / f"{top}.py").is_file() or (beside / top).is_dir()
    return local or importlib.util.find_spec(top) is not None
