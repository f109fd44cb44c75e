"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped", "excused", "noted"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found.

    Attributes:
        check: its name.
        status: `skipped` where it did not apply or a check before it failed; `excused` where the method declares
            beforehand that it cannot pass; `noted` where there is something to know but nothing broken.
        message: why, unless it passed.
        seconds: it took.
    """

    check: str
    status: Status
    message: str = ""
    seconds: float = 0.0
