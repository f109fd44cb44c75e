"""Where a cell's output lies, and what it said last."""

from pathlib import Path

from uad_bench.suites.slurm import logs_of, submitted
from uad_bench.suites.states import Place

FOLDER = "logs"
LONGEST = 48
TAIL = 4096


def local_log(folder: Path, place: Place) -> Path:
    """The log of a cell that ran on this machine."""
    return folder / FOLDER / f"{place.cell.name}.log"


def newest_log(folder: Path, place: Place) -> Path | None:
    """The log that was written last, of this machine or of a Slurm job; None for a cell that never ran."""
    job = submitted(folder).get(place.cell.name)
    logs = [local_log(folder, place), *([logs_of(folder, job)] if job else [])]
    return max((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime, default=None)


def last_line(log: Path) -> str:
    """What a cell said last, shortened."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:LONGEST] if said else ""
