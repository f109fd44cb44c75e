"""What a method's process tells the harness, one JSON object per line: events of the run, and how its work ended."""

import json
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from uad_bench.runs.events import Advance, Described, Event, Fit, Fitted, LabelAccess, Remark, Scored


class Failure(Event):
    """The method, or a call of it, raised an error.

    Attributes:
        kind: class of an error of the harness; its name decides whether other methods can go on.
        reason: a code, as in `FAILED(reason)`.
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
    Described | Advance | Fit | Fitted | Scored | Remark | LabelAccess | Failure | Done, Field(discriminator="event")
]


def parse_message(line: bytes | str) -> Event:
    """The message of one line; NaN and infinity, which JSON does not have, become None.

    Raises:
        ValueError: it is none.
    """
    try:
        value: Any = json.loads(line, parse_constant=lambda _: None)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _messages().validate_python(value)


@cache
def _messages() -> TypeAdapter[Message]:
    return TypeAdapter(Message)
