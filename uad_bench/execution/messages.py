"""Messages from a method's process to the harness, one JSON object per line: events, success or failure."""

import json
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from uad_bench.runs.events import (
    Advance,
    Described,
    Event,
    Fit,
    Fitted,
    LabelAccess,
    Reconstructed,
    Remark,
    Scored,
    Selected,
)


class Failure(Event):
    """The method raised an error.

    Attributes:
        kind: name of a class in `uad_bench.errors`; it determines whether other methods can continue.
        reason: code as in `FAILED(reason)`.
    """

    event: Literal["failed"] = "failed"
    kind: str
    message: str
    reason: str
    traceback: str = ""


class Done(Event):
    """The work is done."""

    event: Literal["done"] = "done"


Message = Annotated[
    Described | Advance | Fit | Selected | Fitted | Scored | Reconstructed | Remark | LabelAccess | Failure | Done,
    Field(discriminator="event"),
]


def parse_message(line: bytes | str) -> Event:
    """Parse one line; NaN and infinity, which are not valid JSON, become None, and half characters question marks.

    Raises:
        ValueError: the line is not a valid message.
    """
    try:
        value: Any = json.loads(line, parse_constant=lambda _: None)
        value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _messages().validate_python(value)


@cache
def _messages() -> TypeAdapter[Message]:
    return TypeAdapter(Message)
