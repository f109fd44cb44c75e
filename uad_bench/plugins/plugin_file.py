"""Finds the methods in a plugin file: from its source where possible, else by importing it in another process."""

import ast
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from uad_bench.errors import ConfigError
from uad_bench.plugins.source import CONTRACT, Source, fitting_class

PATIENCE_S = 120
HOW = "declare METHODS = {'name': Class}"


def names_in_file(path: Path) -> dict[str, str]:
    """Method names in a plugin file, with the names of their classes.

    The calling process never runs the file, so side effects of its import are harmless.

    Raises:
        ConfigError: the file is missing or broken, or contains no method.
    """
    if not path.is_file():
        raise ConfigError(f"plugin file {path} does not exist")
    try:
        source = Source.read(path)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"plugin file {path} is not valid Python: {error}") from error
    return read_names(source) or _names_by_import(path)


def read_names(source: Source) -> dict[str, str] | None:
    """The names found in the source; None if they can only be found by running it."""
    if "METHODS" in source.names:
        return _literal(source.assigned("METHODS"))
    name = fitting_class(source)
    return {name.lower(): name} if name else None


def import_file(path: Path) -> ModuleType:
    """Import a plugin file; it can import modules from its own folder, as a script can."""
    name = f"uad_bench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec.loader.exec_module(module)
    return module


def methods_of(module: ModuleType) -> dict[str, Any]:
    """The methods of an imported plugin file: its METHODS, or the single class that fulfils the contract.

    Raises:
        ImportError: there is neither.
    """
    declared = getattr(module, "METHODS", None)
    if isinstance(declared, dict) and declared:
        return {str(name): cls for name, cls in declared.items()}
    if declared is not None:
        raise ImportError(f"METHODS is empty or not a dictionary; {HOW}")
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    fitting = [c for c in own if all(hasattr(c, part) for part in CONTRACT)]
    if len(fitting) == 1:
        return {fitting[0].__name__.lower(): fitting[0]}
    lacking = "; ".join(f"{c.__name__} lacks {', '.join(p for p in CONTRACT if not hasattr(c, p))}" for c in own[:3])
    found = f"{len(fitting)} classes with {', '.join(CONTRACT)}"
    raise ImportError(f"it contains {found}{f' ({lacking})' if lacking and not fitting else ''}; {HOW}")


def _literal(value: ast.expr | None) -> dict[str, str] | None:
    """`{"name": Class, ...}` as text; None for any other expression."""
    if not isinstance(value, ast.Dict) or not value.keys:
        return None
    pairs = list(zip(value.keys, value.values, strict=True))
    if not all(isinstance(k, ast.Constant) and isinstance(v, ast.Name | ast.Attribute) for k, v in pairs):
        return None
    return {str(k.value): ast.unparse(v) for k, v in pairs if isinstance(k, ast.Constant)}


def _names_by_import(path: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "uad_bench.plugins.plugin_file", str(path)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"plugin file {path} was not imported within {PATIENCE_S} s; {HOW}") from error
    answer = json.loads(ended.stdout or "null") or {"error": f"its import ended with exit code {ended.returncode}"}
    if "error" in answer:
        raise ConfigError(f"plugin file {path} cannot be loaded: {answer['error']}")
    names: dict[str, str] = answer["names"]
    return names


def _answer(path: Path) -> dict[str, Any]:
    try:
        return {"names": {k: getattr(v, "__name__", str(v)) for k, v in methods_of(import_file(path)).items()}}
    except BaseException as error:  # noqa: BLE001 - even a file that exits is only reported
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of the file itself must not mix with the answer
    json.dump(_answer(Path(sys.argv[1])), answers)
