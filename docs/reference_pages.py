"""The pages on commands and on configuration files, made from the code when the site is built (`docs/hooks.py`)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from uad_bench.cli.app import app
from uad_bench.config import Profile, Task
from uad_bench.datasets.bids import Bids
from uad_bench.datasets.cohort import TwoCohorts
from uad_bench.datasets.folder import Layout
from uad_bench.datasets.msd import MsdBrainTumour
from uad_bench.datasets.phantom import Phantom
from uad_bench.evaluation.protocol import Protocol, Published
from uad_bench.method import Budget
from uad_bench.output.configuration import field_rows
from uad_bench.resources import resource_path
from uad_bench.suites.suite import Suite

CONFIGURATION = "configuration-files.md"
COMMANDS = "commands.md"
FILES = (
    ("Task", "`--task` takes the name of a shipped task or the path of such a file.", Task, "configs/tasks/lgg.toml"),
    (
        "Suite",
        "`uad-bench suite run FILE`; every combination of its lists is a run.",
        Suite,
        "configs/suites/smoke.toml",
    ),
    (
        "Protocol",
        "The field `protocol` of a task takes the path of such a file.",
        Protocol,
        "configs/protocols/volume.toml",
    ),
)
TABLES = (
    ("`[budget]` of a task", "", Budget),
    ("`[options]` of a task with the dataset `folder`", "The same keys in `dataset.toml` of the folder.", Layout),
    ("`[options]` with the dataset `bids`", "", Bids),
    ("`[options]` with the dataset `msd`", "", MsdBrainTumour),
    ("`[options]` with the dataset `cohort`", "", TwoCohorts),
    ("`[options]` with the dataset `phantom`", "", Phantom),
    ("`[published]` of a protocol", "", Published),
    ("A profile of a method", "A table of `configs/methods/<method>.toml`, chosen with `--profile`.", Profile),
)
SET_BY_THE_HARNESS = {"root", "report"}


def pages() -> dict[str, str]:
    """Markdown of every generated page by file name."""
    return {CONFIGURATION: configuration_page(), COMMANDS: commands_page()}


def configuration_page() -> str:
    """Fields, types, defaults and meanings of tasks, suites and protocols, with an example of each."""
    head = (
        "# Configuration files\n\nTOML, made from the code. Unknown keys are refused with the nearest known one. "
        "`uad-bench show task NAME` and `uad-bench show method NAME` print every setting of one, to copy from."
    )
    files = [f"## {name}\n\n{text}\n\n{_fields(cls)}\n\n{_example(path)}" for name, text, cls, path in FILES]
    tables = [f"## {name}\n\n{text}\n\n{_fields(cls)}" for name, text, cls in TABLES]
    return "\n\n".join([head, *files, *tables]) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options."""
    head = "# Commands\n\nMade from the code; `--help` after any command prints the same."
    return "\n\n".join([head, *_commands(typer.main.get_command(app), ["uad-bench"])]) + "\n"


def _commands(command: Any, names: list[str]) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if not inner:
        context = typer.Context(command, info_name=names[-1])
        records = [record for p in command.get_params(context) if (record := p.get_help_record(context))]
        rows = [(f"`{name}`", _plain(text).replace("<", "&lt;")) for name, text in records if "--help" not in name]
        yield "\n\n".join([f"## {' '.join(names)}", _plain(command.help or ""), _table(("argument", "meaning"), rows)])
    for name, sub in inner.items():
        yield from _commands(sub, [*names, name])


def _fields(cls: type) -> str:
    rows = [
        (f"`{name}`", kind, default, meaning)
        for name, kind, default, meaning in field_rows(cls)
        if name not in SET_BY_THE_HARNESS
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _example(path: str) -> str:
    return f"```toml\n{resource_path(path).read_text(encoding='utf-8').strip()}\n```"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text without rich's markup."""
    return re.sub(r"\[/?(?:b|dim|i)\]", "", text).replace("\n    ", "\n")
