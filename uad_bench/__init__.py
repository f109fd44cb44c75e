"""uad-bench compares unsupervised anomaly-segmentation methods on brain MRI."""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uad_bench.api import compare, evaluate, leaderboard, report, run, score

__all__ = ["__version__", "compare", "evaluate", "leaderboard", "report", "run", "score"]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """The verbs are imported when they are first used, so that `import uad_bench` costs nothing."""
    if name == "__version__":
        from uad_bench.version import VERSION

        return VERSION
    if name not in __all__:
        raise AttributeError(f"module 'uad_bench' has no attribute {name!r}")
    from uad_bench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """The verbs too, before they are imported."""
    return sorted({*globals(), *__all__})
