"""Names of a method's hyperparameters, told from source alone: a slip of the pen is told before data is read."""

import ast
from collections.abc import Iterable, Iterator

from uad_bench.errors import unknown
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source import Source, bases_of, find_class, find_source


def check_names(entry: Entry, names: Iterable[str]) -> None:
    """Refuse hyperparameters that the method cannot have; where its source does not tell, only building it can.

    Raises:
        ConfigError: naming those that are near.
    """
    declared = declared_fields(entry)
    for name in names:
        if declared is not None and name not in declared:
            raise unknown(f"hyperparameter of {entry.name}", name, declared)


def declared_fields(entry: Entry) -> frozenset[str] | None:
    """Fields of the method's dataclass and of those above it; None where source alone cannot tell."""
    module, _, name = entry.target.rpartition(":")
    if entry.command or entry.live is not None:
        return None
    try:
        source = Source.read(entry.file) if entry.file else find_source(module)
        found = find_class(source, name) if source else None
        return frozenset(_fields(*found)) if found else None
    except (LookupError, ModuleNotFoundError, SyntaxError, ValueError, OSError):
        return None


def _fields(source: Source, cls: ast.ClassDef) -> Iterator[str]:
    """Names, those of bases included.

    Raises:
        LookupError: the class is no plain dataclass, or a base cannot be read.
    """
    if not any(_called(decorator) == "dataclass" for decorator in cls.decorator_list):
        raise LookupError(f"{cls.name} is no dataclass")
    for base in bases_of(source, cls):
        if base is None:
            raise LookupError(f"a base of {cls.name} cannot be read")
        yield from _fields(*base)
    for node in cls.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if not _is_state(node):
                yield name


def _is_state(node: ast.AnnAssign) -> bool:
    """Whether an annotated name is no constructor argument: a class variable, or a field with `init=False`."""
    if "ClassVar" in ast.unparse(node.annotation):
        return True
    keywords = node.value.keywords if isinstance(node.value, ast.Call) else []
    return any(k.arg == "init" and isinstance(k.value, ast.Constant) and not k.value.value for k in keywords)


def _called(decorator: ast.expr) -> str:
    """The last name of `dataclass`, `dataclass(...)` or `dataclasses.dataclass(...)`."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(".")[2]
