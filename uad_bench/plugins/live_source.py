"""The source of a class that was typed somewhere, perhaps in a notebook: what its results depend on, as text."""

import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

PLAIN = (bool, int, float, complex, str, bytes, type(None))
OTHERS = {"builtins", "typing", "abc", "enum", "uad_bench", "torch", "numpy", "dataclasses"}


def live_source(cls: type) -> dict[str, str]:
    """Source, or where there is none byte code, of a class, the classes above it, and what they use of their package.

    Returns:
        Text by qualified name; plain constants stand with their value.
    """
    found: dict[str, str] = {}
    for above in reversed(cls.__mro__):
        if _package(above) not in OTHERS:
            _collect(above, found)
    return found


def _collect(thing: Any, found: dict[str, str]) -> None:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name in found:
        return
    found[name] = _text(thing)
    for code, scope in _codes(thing):
        for used in code.co_names:
            if used in scope:
                _note(used, scope[used], _package(thing), found)


def _note(name: str, value: Any, package: str, found: dict[str, str]) -> None:
    if isinstance(value, PLAIN):
        found[name] = repr(value)
    elif isinstance(value, FunctionType | type) and _package(value) == package:
        _collect(value, found)


def _text(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return repr([_plain_code(code) for code, _ in _codes(thing)])


def _codes(thing: Any) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """Code and globals of a function, or of all functions of a class."""
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
