"""Static analysis of Python source: names, imports and classes, found without running it."""

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
        module: dotted name; the file's stem for a plugin file.
    """

    module: str
    path: Path
    tree: ast.Module

    @classmethod
    def read(cls, path: Path, module: str | None = None) -> Self:
        """Parse a file.

        Raises:
            SyntaxError: the file is not valid Python.
            OSError: the file cannot be read.
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
        """All names that the module binds at top level, including top-level `if` and `try` blocks."""
        return set(_bound(self.tree.body))

    def imports(self) -> set[str]:
        """Absolute names in all import statements at any level; `from a import b` may mean a module `a.b`."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import)]
        modules = {alias.name for node in nodes for alias in node.names}
        return modules | {
            name for module, name_in in self.imported.values() for name in (module, f"{module}.{name_in}")
        }

    def required_imports(self) -> list[str]:
        """Absolute names of the modules imported unconditionally: not in `try`, `if` or functions."""
        plain = [alias.name for n in self.tree.body if isinstance(n, ast.Import) for alias in n.names]
        return plain + [self._absolute(n) for n in self.tree.body if isinstance(n, ast.ImportFrom)]

    def assigned(self, name: str) -> ast.expr | None:
        """The expression assigned to a top-level name."""
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
    """The source of an installed module, found without importing it or its parent packages; None if it is compiled.

    Raises:
        ModuleNotFoundError: the module is not installed.
        SyntaxError: the file is not valid Python.
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


def fitting_class(source: Source) -> str | None:
    """The single class that has every member of the contract; None if that can only be found by running the file."""
    classes = source.classes.values()
    bases = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for cls in classes for base in cls.bases}
    if not bases <= EMPTY_BASES:  # names without module and type arguments
        return None
    fitting = [cls.name for cls in classes if set(_bound(cls.body)).issuperset(CONTRACT)]
    return fitting[0] if len(fitting) == 1 else None


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
