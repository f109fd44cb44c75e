"""JSON documents as frozen pydantic models, validated when they are read, and texts without local paths."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from uad_bench.errors import ConfigError
from uad_bench.files import read_json


class Document(BaseModel):
    """A JSON object with typed fields.

    Unknown keys are kept. A field that is None is written only if it was set explicitly, so that a document is written
    with the same keys with which it was read.
    """

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, ser_json_inf_nan="constants")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a document from a file.

        Raises:
            ConfigError: the file is missing, is not JSON, or does not match the model.
        """
        return cls.parse(read_json(path), str(path))

    @classmethod
    def parse(cls, value: Any, where: str) -> Self:
        """Validate a JSON value.

        Raises:
            ConfigError: a field is missing or has the wrong type; the message starts with `where`.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigError(f"{where}: {describe_problem(error)}") from error

    def to_json(self) -> dict[str, Any]:
        """The document as JSON-compatible values."""
        return self.model_dump(mode="json", by_alias=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value is not None or key in self.model_fields_set}


def describe_problem(error: ValidationError) -> str:
    """The first validation problem of a document, such as `task.pair: field required`."""
    problem = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(map(str, problem["loc"]))
    text = f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
    return f"{key}: {text}" if key else text


NAME = r"[^\s'\"<>|:;,=()\[\]{}/]+"
FOLDER = rf"{NAME}(?:[ \t]+{NAME})*"  # with blanks; those of a last name cannot be told from the words that follow
PATH = re.compile(rf"(?<![\w/.:~])(?!(?<=<)/\w+>)(?:~\w*|\.{{1,2}})?/(?:{FOLDER}/)*({NAME})/?")


def hide_paths(text: str) -> str:
    """Shorten each absolute path, and each path starting with `~`, `./` or `../`, to its last component."""
    return PATH.sub(r"\1", text)


def without_paths(value: Any) -> Any:
    """A JSON value with `hide_paths` applied to each of its texts."""
    match value:
        case str():
            return hide_paths(value)
        case list() | tuple():
            return [without_paths(item) for item in value]
        case dict():
            return {key: without_paths(item) for key, item in value.items()}
    return value


def hide_paths_in_command(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line with every path, also after `--option=`, shortened to its last component."""
    return [_shorten(argument) for argument in arguments]


def _shorten(argument: str) -> str:
    option, equals, value = argument.partition("=")
    if equals and "/" not in option:
        return f"{option}={_shorten(value)}"
    return Path(argument).name if "/" in argument else argument
