"""Takes this machine's paths out of what is to be shared: a record must not tell where its data lay."""

import re
from collections.abc import Sequence
from pathlib import Path

NAME = r"[^\s'\"<>|:;,=()\[\]{}/]+"
PATH = re.compile(rf"(?<![\w/.:~])(?:~\w*|\.{{1,2}})?/(?:{NAME}/)*({NAME})/?")


def hide_paths(text: str) -> str:
    """Shorten each path that starts at a root, at home, or at this or the folder above, to its last name."""
    return PATH.sub(r"\1", text)


def hide_paths_in_command(arguments: Sequence[str]) -> list[str]:
    """The words of a command line with every path, also behind `--option=`, shortened to its last name."""
    return [_shorten(argument) for argument in arguments]


def _shorten(argument: str) -> str:
    option, equals, value = argument.partition("=")
    if equals and "/" not in option:
        return f"{option}={_shorten(value)}"
    return Path(argument).name if "/" in argument else argument
