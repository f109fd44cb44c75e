"""uad-bench compares unsupervised anomaly-segmentation methods on brain MRI."""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uad_bench.api import combine, compare, evaluate, leaderboard, overall, report, run, score

__all__ = ["__version__", "combine", "compare", "evaluate", "leaderboard", "overall", "report", "run", "score"]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import the public functions on first use, so that `import uad_bench` is fast."""
    if name == "__version__":
        from uad_bench.version import VERSION

        return VERSION
    if name not in __all__:
        raise AttributeError(f"module 'uad_bench' has no attribute {name!r}")
    from uad_bench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """List the public functions even before they are imported."""
    return sorted(__all__)
