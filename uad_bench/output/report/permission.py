"""Pictures of real people are shown only when asked for."""

from uad_bench.errors import ConfigError
from uad_bench.plugins import registry
from uad_bench.runs.record import RunRecord


def may_show(record: RunRecord, images: bool | None) -> bool:
    """Whether slices of a record's patients are shown: as asked for, else only those of the embedded data set.

    Raises:
        ConfigError: nothing was asked for, and the data set is not known here.
    """
    if images is not None:
        return images
    name = record.task.dataset
    known = registry.datasets()
    if name not in known:
        raise ConfigError(f"data set {name!r} is not installed here; add --no-images, or --with-images and --data DIR")
    return bool(getattr(known[name].load(), "embedded", False))
