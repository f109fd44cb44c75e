"""Finds the files that ship with the package: configurations and leaderboards."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def resource_path(name: str) -> Path:
    """Where a shipped file or folder lies, such as `"configs/tasks/phantom.toml"`.

    In a wheel it lies inside the package, in a checkout beside it. The path need not exist.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name


def resource_names(folder: str, suffix: str) -> list[str]:
    """Stems of the shipped files of one kind, sorted: `resource_names("configs/tasks", ".toml")`."""
    return sorted(path.stem for path in resource_path(folder).glob(f"*{suffix}"))
