"""Configurations as TOML to copy from: all fields of a task, and the hyperparameters of a method under a profile."""

import dataclasses
import inspect
import json
import math
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from uad_bench.config import Task, load_profile, load_task
from uad_bench.method import Budget
from uad_bench.plugins import registry
from uad_bench.plugins.hyperparameters import build_method, hyperparameters

REQUIRED: Any = inspect.Parameter.empty
EMPTY: tuple[object, ...] = (None, "", (), {}, [])
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

    def comment(self) -> list[str]:
        """The description and the type, as lines of a TOML comment."""
        return _comment(f"{(self.meaning or self.name).rstrip('.')} ({self.type})")


def fields_of(cls: type) -> tuple[FieldFacts, ...]:
    """The arguments of a class's constructor, described by the docstrings of the class and its base classes."""
    hints = get_type_hints(cls, include_extras=True) if dataclasses.is_dataclass(cls) else {}
    meanings = {name: text for base in reversed(cls.__mro__) for name, text in _meanings(base).items()}
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    made = {f.name: f.default_factory() for f in fields if f.default_factory is not dataclasses.MISSING}
    return tuple(
        FieldFacts(
            name=p.name,
            type=describe_type(hints.get(p.name, p.annotation)),
            default=made.get(p.name, p.default),
            meaning=meanings.get(p.name, ""),
        )
        for p in inspect.signature(cls).parameters.values()
        if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}
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


def _describe_list(parts: Args) -> str:
    return f"list of {describe_type(parts[0])}"


def _describe_annotated(parts: Args) -> str:
    """The type, with the limits that pydantic's `Field` sets."""
    limits = [limit for item in parts[1:] for limit in getattr(item, "metadata", ())]
    bounds = [text.format(getattr(limit, k)) for limit in limits for k, text in BOUNDS.items() if hasattr(limit, k)]
    return ", ".join([describe_type(parts[0]), *bounds])


def _describe_tuple(parts: Args) -> str:
    if ... in parts:
        return _describe_list(parts)
    words = [describe_type(part) for part in parts]
    return f"list of {len(words)} x {words[0]}" if len(set(words)) == 1 else f"list of {', '.join(words)}"


COMPOSED: dict[Any, Callable[[Args], str]] = {
    Annotated: _describe_annotated,
    Literal: lambda choices: " or ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in choices),
    Union: _describe_union,
    types.UnionType: _describe_union,
    tuple: _describe_tuple,
    list: _describe_list,
}


def _meanings(cls: type) -> dict[str, str]:
    """Descriptions in the docstring of one class, by field."""
    text = inspect.cleandoc(vars(cls).get("__doc__") or "")
    _, _, listed = text.partition("Attributes:\n")
    return {name: " ".join(words.split()) for name, words in ITEM.findall(listed or text.partition("Args:\n")[2])}


PAIR = ("flair", "t2")
WIDTH = 79


@dataclass(frozen=True, slots=True)
class Configuration:
    """A task's or a method's settings.

    Attributes:
        fields: its fields; their defaults are those of the class.
        tables: settings that a method's profile changes elsewhere, by table.
    """

    head: tuple[str, ...]
    fields: tuple[FieldFacts, ...]
    values: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Every field with its type, value and description."""
        rows = [
            {"name": f.name, "type": f.type, "value": self.values[f.name], "meaning": f.meaning} for f in self.fields
        ]
        return {"about": list(self.head), "fields": rows, **self.tables}

    def to_toml(self) -> str:
        """TOML with a comment above each field; fields without a value are comments only."""
        flat = [f for f in self.fields if not isinstance(self.values[f.name], dict)]
        nested = [f for f in self.fields if f not in flat]
        parts = ["\n".join(line for text in self.head for line in _comment(text))]
        parts += ["\n".join([*f.comment(), _assignment(f.name, self.values[f.name])]) for f in flat]
        parts += ["\n".join([*f.comment(), *_table(f.name, self.values[f.name])]) for f in nested]
        parts += ["\n".join(_table(name, values)) for name, values in self.tables.items() if values]
        return "\n\n".join(parts) + "\n"


def task_configuration(name: str) -> Configuration:
    """A task by name or path, with all fields that were left to their defaults."""
    task = load_task(name)
    head = (f"Task {task.name}. Copy it to a file my-task.toml, change it, and run it with --task my-task.toml.",)
    facts = tuple(f for f in fields_of(Task) if f.name not in {"name", "budget"})
    values = json.loads(json.dumps(asdict(task)))
    return Configuration(head, facts, values, {"budget": asdict(task.budget)})


def method_configuration(name: str, profile: str | None = None, plugins: Sequence[Path] = ()) -> Configuration:
    """A method's hyperparameters under a profile; `--set KEY=VALUE` changes them.

    Raises:
        ConfigError: there is no such method or profile.
        MethodError: its code cannot be imported.
    """
    entry = registry.find("method", name, registry.methods(plugins))
    chosen, settings = load_profile(name, profile)
    cls = entry.load()
    method = build_method(cls, settings.params, pair=PAIR, name=name)
    about = registry.method_facts(name)
    summary = about.get("summary") or (cls.__doc__ or "").strip().partition("\n")[0]
    profiles = ", ".join({"default": None, **{k: None for k, v in about.items() if isinstance(v, dict)}})
    head = (
        f"{name} ({entry.origin}): {summary}",
        *(f"{key}: {about[key]}" for key in ("paper", "code") if about.get(key)),
        f"Profile {chosen}, of {profiles}; precision {settings.precision}. Change a value with --set KEY=VALUE.",
    )
    return Configuration(
        head, fields_of(cls), hyperparameters(method), {"budget": settings.budget, "task": settings.task}
    )


def toml_value(value: Any) -> str:
    """A value in TOML; tables become inline tables, without their undefined entries."""
    match value:
        case dict():
            return f"{{ {', '.join(_assignment(k, v) for k, v in value.items() if v is not None)} }}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case float() if not math.isfinite(value):
            return str(value)
    return json.dumps(value, ensure_ascii=False)


def field_rows(cls: type) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and description of each field of a class, as text."""
    for facts in fields_of(cls):
        default = asdict(facts.default) if isinstance(facts.default, Budget) else facts.default
        text = "required" if default is REQUIRED else "" if default in EMPTY else f"`{toml_value(default)}`"
        yield facts.name, facts.type, text, facts.meaning


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)]


def _assignment(name: str, value: Any) -> str:
    key = name if name.replace("-", "_").isidentifier() else json.dumps(name)
    return f"# {key} is not set" if value is None else f"{key} = {toml_value(value)}"


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(_assignment(key, value) for key, value in values.items())]
