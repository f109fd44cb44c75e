"""What a registered method declares and whether it can be loaded, told from source alone; nothing is imported."""

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from uad_bench.plugins.registry import Entry, lacks
from uad_bench.plugins.source import Source, find_class, find_definition, find_source


@dataclass(frozen=True, slots=True)
class Declaration:
    """What source tells of a method.

    Attributes:
        file: where the class is written; None where only running it could tell.
        fit: modalities learned from; `source` and `target` stand for the task's pair. None: unknown.
        score: modalities scored from. None: unknown.
        problem: why it cannot be loaded, if so.
    """

    file: Path | None = None
    fit: tuple[str, ...] | None = None
    score: tuple[str, ...] | None = None
    problem: str | None = None


def declaration(entry: Entry) -> Declaration:
    """Read an entry's source, follow its own imports, and say what it needs or what it lacks."""
    module, _, name = entry.target.rpartition(":")
    try:
        source = Source.read(entry.file) if entry.file else find_source(module)
        if source is None:
            return Declaration()
        missing = _missing_import(source, set())
        problem = _missing_name(source, name) or (lacks(missing, entry.distribution) if missing else None)
    except (ModuleNotFoundError, SyntaxError, ValueError, OSError) as error:
        return Declaration(problem=_sentence(error))
    fit, score = _modalities(source, name)
    return Declaration(source.path, fit, score, problem)


def _sentence(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '?').name}, line {error.lineno}: {error.msg}"
    return str(error)


def _missing_name(source: Source, name: str) -> str | None:
    known = name in source.names or "*" in source.names
    return None if known else f"{source.module} has no {name!r}"


def _missing_import(source: Source, seen: set[str]) -> str | None:
    """The first module imported at top level, here or in the package's own modules below, that is not there."""
    seen.add(source.module)
    package = source.module.partition(".")[0]
    for module in source.required_imports():
        top = module.partition(".")[0]
        if top != package and top and not _exists(top, source.path.parent):
            return top
        if top == package and module not in seen and (missing := _missing_below(module, seen)):
            return missing
    return None


def _missing_below(module: str, seen: set[str]) -> str | None:
    below = find_source(module)
    return _missing_import(below, seen) if below else None


def _exists(top: str, beside: Path) -> bool:
    local = (beside / f"{top}.py").is_file() or (beside / top).is_dir()
    return local or importlib.util.find_spec(top) is not None


def _modalities(source: Source, name: str) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """What `return Modalities(fit=..., score=...)` says, where it is as plain as that."""
    found = find_class(source, name)
    try:
        where = find_definition(*found, "modalities") if found else None
    except LookupError:
        return None, None
    call = _call(where[2]) if where else None
    if call is None:
        return None, None
    parts = {keyword.arg: _words(keyword.value) for keyword in call.keywords}
    return parts.get("fit"), parts.get("score")


def _call(node: ast.stmt) -> ast.Call | None:
    """The one call of a property's only return statement, or of a class attribute."""
    returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
    values = returned or [getattr(node, "value", None)]
    return values[0] if len(values) == 1 and isinstance(values[0], ast.Call) else None


def _words(value: ast.expr) -> tuple[str, ...] | None:
    if not isinstance(value, ast.Tuple | ast.List):
        return None
    words = [_word(element) for element in value.elts]
    return None if None in words else tuple(word for word in words if word is not None)


def _word(element: ast.expr) -> str | None:
    match element:
        case ast.Constant(value=str(text)):
            return text
        case ast.Attribute(value=ast.Name(id="self"), attr=field):
            return field
    return None
