"""Finds the log files of cells, and their last lines."""

from pathlib import Path

from uad_bench.suites.slurm import logs_of, submitted
from uad_bench.suites.states import Place

FOLDER = "logs"
LONGEST = 48
TAIL = 4096


def local_log(folder: Path, place: Place) -> Path:
    """Log file of a cell that runs on this machine."""
    return folder / FOLDER / f"{place.cell.name}.log"


def newest_log(folder: Path, place: Place) -> Path | None:
    """The most recent log file, of this machine or of a Slurm job; None for a cell that never ran."""
    job = submitted(folder).get(place.cell.name)
    logs = [local_log(folder, place), *([logs_of(folder, job)] if job else [])]
    return max((log for log in logs if log.exists()), key=lambda log: log.stat().st_mtime, default=None)


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, truncated; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    printed = [line.strip() for line in lines if line.strip()]
    return printed[-1][:LONGEST] if printed else ""
