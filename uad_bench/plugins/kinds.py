"""Which methods are trivial baselines, and which saw labels: their configuration files say so."""

from uad_bench.config import read_toml
from uad_bench.resources import resource_path


def baseline_methods() -> tuple[str, ...]:
    """Methods that every board must hold (`baseline = true`)."""
    return _declaring("baseline")


def bound_methods() -> tuple[str, ...]:
    """Methods trained with labels (`bound = true`), shown apart."""
    return _declaring("bound")


def _declaring(key: str) -> tuple[str, ...]:
    files = sorted(resource_path("configs/methods").glob("*.toml"))
    return tuple(path.stem for path in files if read_toml(path).get(key) is True)
