"""Names, types, defaults and descriptions of the fields that configuration files have, read from their classes."""

import dataclasses
import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

REQUIRED: Any = inspect.Parameter.empty
WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", Any: "any value"}
ITEM = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
Args = tuple[Any, ...]
BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field of a configuration.

    Attributes:
        type: its type in words, such as `whole number, at least 0`.
        default: its default, or `REQUIRED`.
        meaning: its description in the class's docstring.
    """

    name: str
    type: str
    default: Any
    meaning: str


def fields_of(cls: type) -> tuple[FieldFacts, ...]:
    """The arguments of a class's constructor, described by the docstrings of the class and its base classes."""
    hints = get_type_hints(cls, include_extras=True) if dataclasses.is_dataclass(cls) else {}
    meanings = {name: text for base in reversed(cls.__mro__) for name, text in _meanings(base).items()}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        FieldFacts(p.name, describe_type(hints.get(p.name, p.annotation)), _default(cls, p), meanings.get(p.name, ""))
        for p in inspect.signature(cls).parameters.values()
        if p.kind in named
    )


def describe_type(annotation: Any) -> str:
    """A type in words: `list of text`, `"a" or "b"`, `number, above 0`."""
    if describe := COMPOSED.get(get_origin(annotation)):
        return describe(get_args(annotation))
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return WORDS[Any]
    is_class = isinstance(get_origin(annotation) or annotation, type)
    return WORDS.get(annotation) or ("table" if is_class else str(annotation))


def _describe_union(parts: Args) -> str:
    return " or ".join(describe_type(part) for part in parts if part is not types.NoneType)


def _describe_choices(choices: Args) -> str:
    return " or ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices)


def _describe_list(parts: Args) -> str:
    return f"list of {describe_type(parts[0])}"


def _describe_annotated(parts: Args) -> str:
    return ", ".join([describe_type(parts[0]), *_bounds(parts[1:])])


def _describe_tuple(parts: Args) -> str:
    if ... in parts:
        return _describe_list(parts)
    words = [describe_type(part) for part in parts]
    return f"list of {len(words)} x {words[0]}" if len(set(words)) == 1 else f"list of {', '.join(words)}"


COMPOSED: dict[Any, Callable[[Args], str]] = {
    Annotated: _describe_annotated,
    Literal: _describe_choices,
    Union: _describe_union,
    types.UnionType: _describe_union,
    tuple: _describe_tuple,
    list: _describe_list,
}


def _bounds(metadata: tuple[Any, ...]) -> list[str]:
    """Limits that pydantic's `Field` sets."""
    limits = [limit for item in metadata for limit in getattr(item, "metadata", ())]
    return [text.format(getattr(limit, key)) for limit in limits for key, text in BOUNDS.items() if hasattr(limit, key)]


def _meanings(cls: type) -> dict[str, str]:
    """Descriptions in the docstring of one class, by field."""
    text = inspect.cleandoc(vars(cls).get("__doc__") or "")
    _, _, listed = text.partition("Attributes:\n")
    return {name: " ".join(words.split()) for name, words in ITEM.findall(listed or text.partition("Args:\n")[2])}


def _default(cls: type, parameter: inspect.Parameter) -> Any:
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if field.name == parameter.name and field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
    return parameter.default
