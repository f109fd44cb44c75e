"""What Python source says about itself, read without running it: names, imports, classes and what they declare."""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

CONTRACT = ("modalities", "fit", "score")
EMPTY_BASES = {"object", "ABC", "Protocol", "Generic", "Module", "Method", "Enum", "StrEnum", "NamedTuple", "Dataset"}


@dataclass(frozen=True)
class Source:
    """One parsed module.

    Attributes:
        module: its dotted name; the stem for a plugin file.
        path: of the file.
    """

    module: str
    path: Path
    tree: ast.Module

    @classmethod
    def read(cls, path: Path, module: str | None = None) -> Self:
        """Parse a file.

        Raises:
            SyntaxError: it is no Python.
            OSError: it cannot be read.
        """
        return cls(module or path.stem, path, ast.parse(path.read_bytes(), filename=str(path)))

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Top-level classes by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Names bound by `from module import name`, with the absolute module and the name there."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name: (self._absolute(n), alias.name) for n in nodes for alias in n.names}

    @cached_property
    def names(self) -> set[str]:
        """Every name that the module binds at top level or inside its top-level `if` and `try`."""
        return set(_bound(self.tree.body))

    def imports(self) -> set[str]:
        """Absolute names in all import statements, wherever they stand; `from a import b` may mean a module `a.b`."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import)]
        modules = {alias.name for node in nodes for alias in node.names}
        return modules | {
            name for module, name_in in self.imported.values() for name in (module, f"{module}.{name_in}")
        }

    def required_imports(self) -> list[str]:
        """Absolute modules without which importing this one fails: not those in `try`, `if` or functions."""
        plain = [alias.name for n in self.tree.body if isinstance(n, ast.Import) for alias in n.names]
        return plain + [self._absolute(n) for n in self.tree.body if isinstance(n, ast.ImportFrom)]

    def assigned(self, name: str) -> ast.expr | None:
        """The expression that a top-level name is set to."""
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                    return value
                case ast.AnnAssign(target=ast.Name(id=found), value=value) if found == name:
                    return value
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.path.name == "__init__.py"
        parts = self.module.split(".")
        base = parts[: len(parts) - node.level + is_package]
        return ".".join([*base, *([node.module] if node.module else [])])


def find_source(module: str) -> Source | None:
    """The source of an installed module, found without importing it or the packages around it.

    Raises:
        ModuleNotFoundError: it is not installed.
        SyntaxError: it is no Python.
    """
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(f"no module named {top!r}", name=top)
    if not rest:
        return Source.read(Path(spec.origin), module) if spec.origin and spec.origin.endswith(".py") else None
    folders = [Path(place).joinpath(*rest[:-1]) for place in spec.submodule_search_locations or ()]
    for folder in folders:
        for path in (folder / f"{rest[-1]}.py", folder / rest[-1] / "__init__.py"):
            if path.is_file():
                return Source.read(path, module)
        if any(folder.glob(f"{rest[-1]}.*")):
            return None  # compiled
    raise ModuleNotFoundError(f"no module named {module!r}", name=module)


def bases_of(source: Source, cls: ast.ClassDef) -> Iterator[tuple[Source, ast.ClassDef] | None]:
    """The classes above, as far as their source can be read; None for one that cannot."""
    for base in cls.bases:
        node = base.value if isinstance(base, ast.Subscript) else base
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name not in EMPTY_BASES:
            yield find_class(source, name)


def find_class(source: Source, name: str) -> tuple[Source, ast.ClassDef] | None:
    """The class of this name in the module, or where the module imports it from."""
    if name in source.classes:
        return source, source.classes[name]
    if name not in source.imported:
        return None
    module, original = source.imported[name]
    try:
        elsewhere = find_source(module)
    except (ModuleNotFoundError, SyntaxError, OSError, ValueError):
        return None
    return find_class(elsewhere, original) if elsewhere else None


def find_definition(source: Source, cls: ast.ClassDef, name: str) -> tuple[Source, ast.ClassDef, ast.stmt] | None:
    """Where a class or one above it defines an attribute.

    Raises:
        LookupError: a base that cannot be read stands in the way.
    """
    for node in cls.body:
        if name in _bound([node]):
            return source, cls, node
    for base in bases_of(source, cls):
        if base is None:
            raise LookupError(f"a base of {cls.name} cannot be read")
        if found := find_definition(*base, name):
            return found
    return None


def fitting_classes(source: Source) -> list[str]:
    """Top-level classes that have every part of the contract.

    Raises:
        LookupError: source alone cannot tell.
    """
    return [name for name, cls in source.classes.items() if all(find_definition(source, cls, p) for p in CONTRACT)]


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.If(body=inner, orelse=other):
                yield from _bound([*inner, *other])
            case ast.Try(body=inner, handlers=handlers, orelse=other):
                yield from _bound([*inner, *other, *(n for h in handlers for n in h.body)])
