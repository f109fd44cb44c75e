"""Writes a template for a new method with its tests: a single file, or an installable package."""

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Literal

from uad_bench.errors import ConfigError
from uad_bench.files import write_text
from uad_bench.plugins import registry
from uad_bench.resources import resource_path

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

FILE = {"{module}.py": ("method.py.txt", "methods_of_file.txt"), "test_{module}.py": ("test_file.py.txt",)}
PACKAGE = {
    "pyproject.toml": ("pyproject.toml.txt",),
    "README.md": ("README.md.txt",),
    "src/{module}/__init__.py": ("init.py.txt",),
    "src/{module}/method.py": ("method.py.txt",),
    "src/{module}/py.typed": (),
    "tests/test_{module}.py": ("test_package.py.txt",),
}


def write_method(name: str, *, kind: Literal["file", "package"], folder: Path) -> tuple[list[Path], list[str]]:
    """Write the files; returns their paths and the commands to run next.

    Args:
        name: of the method, lower-case words joined by hyphens.

    Raises:
        ConfigError: the name is invalid or taken, or a file exists.
    """
    values = _names(name)
    place = folder / name if kind == "package" else folder
    files = {place / path.format(**values): parts for path, parts in (PACKAGE if kind == "package" else FILE).items()}
    if present := [path for path in files if path.exists()]:
        raise ConfigError(f"{present[0]} exists already; choose another name or folder")
    for path, parts in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        templates = (resource_path(f"plugins/templates/{part}").read_text(encoding="utf-8") for part in parts)
        write_text(path, "".join(Template(text).substitute(values) for text in templates))
    return list(files), _next_steps(kind, place, values)


def _names(name: str) -> dict[str, str]:
    """The name in the forms for the command line, modules, classes and titles."""
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or keyword.iskeyword(module):
        raise ConfigError(f"{name!r} is no valid method name: use lower-case words joined by hyphens, as patch-memory")
    if name in registry.methods():
        raise ConfigError(f"a method {name!r} is registered already; choose another name")
    words = name.split("-")
    return {
        "name": name,
        "module": module,
        "cls": "".join(map(str.capitalize, words)),
        "title": " ".join(words).capitalize(),
    }


def _next_steps(kind: str, place: Path, values: Mapping[str, str]) -> list[str]:
    name = values["name"]
    if kind == "package":
        run = f"uad-bench run --method {name} --task phantom-tiny"
        return [f"pip install -e {place}", f"uad-bench check-method {name}", run]
    file = place / f"{values['module']}.py"
    return [f"uad-bench check-method {file}", f"uad-bench run --plugin {file} --method {name} --task phantom-tiny"]
