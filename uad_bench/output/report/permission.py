"""Permission to show images: those of real patients are shown only on request."""

from uad_bench.errors import ConfigError
from uad_bench.plugins import registry
from uad_bench.runs.record import RunRecord


def may_show(record: RunRecord, images: bool | None) -> bool:
    """Whether slices of a record's patients may be shown: as requested, by default only those of embedded data.

    Raises:
        ConfigError: nothing was requested, and the dataset is not installed.
    """
    if images is not None:
        return images
    name = record.task.dataset
    known = registry.datasets()
    if name not in known:
        raise ConfigError(f"dataset {name!r} is not installed; add --no-images, or --with-images and --data DIR")
    return bool(getattr(known[name].load(), "embedded", False))
