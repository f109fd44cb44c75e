"""Paths of the files shipped with the package: configurations and leaderboards."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def resource_path(name: str) -> Path:
    """Path of a shipped file or folder, such as `"configs/tasks/phantom.toml"`.

    It is located inside the package in a wheel, and next to it in a checkout. The path need not exist.
    """
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name


def resource_names(folder: str, suffix: str) -> list[str]:
    """Sorted stems of the shipped files in a folder, such as `resource_names("configs/tasks", ".toml")`."""
    return sorted(path.stem for path in resource_path(folder).glob(f"*{suffix}"))
