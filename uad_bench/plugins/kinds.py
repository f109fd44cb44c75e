"""Which built-in methods are trivial baselines or supervised upper bounds, as declared in their configuration files."""

from uad_bench.config import read_toml
from uad_bench.resources import resource_path


def baseline_methods() -> tuple[str, ...]:
    """Trivial baselines (`baseline = true`), which every leaderboard must contain."""
    return _declaring("baseline")


def bound_methods() -> tuple[str, ...]:
    """Supervised upper bounds (`bound = true`): trained with labels and not ranked."""
    return _declaring("bound")


def _declaring(key: str) -> tuple[str, ...]:
    files = sorted(resource_path("configs/methods").glob("*.toml"))
    return tuple(path.stem for path in files if read_toml(path).get(key) is True)
