"""Configurations as TOML to copy from: all fields of a task, and the hyperparameters of a method under a profile."""

import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uad_bench.config import Task, load_profile, load_task, read_toml
from uad_bench.method import Budget
from uad_bench.plugins import registry
from uad_bench.plugins.hyperparameters import build_method, hyperparameters
from uad_bench.resources import resource_path
from uad_bench.schema import REQUIRED, FieldFacts, fields_of

PAIR = ("flair", "t2")
WIDTH = 79


@dataclass(frozen=True, slots=True)
class Configuration:
    """A task's or a method's settings.

    Attributes:
        head: sentences about it.
        fields: its fields; their defaults are those of the class.
        values: the value of every field.
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
        parts += ["\n".join([*_described(f), _assignment(f.name, self.values[f.name])]) for f in flat]
        parts += ["\n".join([*_described(f), *_table(f.name, self.values[f.name])]) for f in nested]
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
    path = resource_path(f"configs/methods/{name}.toml")
    about = read_toml(path) if path.is_file() else {}
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
        default = facts.default
        shown = (
            "required" if default is REQUIRED else "" if default in (None, "", (), {}, []) else _default_text(default)
        )
        yield facts.name, facts.type, shown, facts.meaning


def _default_text(default: Any) -> str:
    return f"`{toml_value(asdict(default) if isinstance(default, Budget) else default)}`"


def _described(facts: FieldFacts) -> list[str]:
    return _comment(f"{(facts.meaning or facts.name).rstrip('.')} ({facts.type})")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)]


def _assignment(name: str, value: Any) -> str:
    key = name if name.replace("-", "_").isidentifier() else json.dumps(name)
    return f"# {key} is not set" if value is None else f"{key} = {toml_value(value)}"


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(_assignment(key, value) for key, value in values.items())]
