"""Remove local paths from shared documents, so that a record does not reveal the location of its data."""

import re
from collections.abc import Sequence
from pathlib import Path

NAME = r"[^\s'\"<>|:;,=()\[\]{}/]+"
FOLDER = rf"{NAME}(?:[ \t]+{NAME})*"  # with blanks; those of a last name cannot be told from the words that follow
PATH = re.compile(rf"(?<![\w/.:~])(?:~\w*|\.{{1,2}})?/(?:{FOLDER}/)*({NAME})/?")


def hide_paths(text: str) -> str:
    """Shorten each absolute path, and each path starting with `~`, `./` or `../`, to its last component."""
    return PATH.sub(r"\1", text)


def hide_paths_in_command(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line with every path, also after `--option=`, shortened to its last component."""
    return [_shorten(argument) for argument in arguments]


def _shorten(argument: str) -> str:
    option, equals, value = argument.partition("=")
    if equals and "/" not in option:
        return f"{option}={_shorten(value)}"
    return Path(argument).name if "/" in argument else argument
