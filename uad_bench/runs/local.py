"""The data folder of a run on this machine, kept beside the run so that later commands need no `--data`.

It is not part of the record, of any digest, or of a bundle.
"""

from pathlib import Path

from uad_bench.errors import ConfigError
from uad_bench.files import write_json
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run


class LocalFacts(Document):
    """`local.json`: absolute path of the folder with the patients."""

    data: Path


def remember_data(run: Run, data: Path | None) -> None:
    """Write the data folder beside a finished run; nothing for embedded data."""
    if data is not None and run.finished:
        write_json(run.local, {"data": str(data.resolve())})


def remembered_data(run: Run) -> Path | None:
    """The data folder of a run, if it is known and still exists."""
    try:
        data = LocalFacts.read(run.local).data
    except ConfigError:
        return None
    return data if data.is_dir() else None
