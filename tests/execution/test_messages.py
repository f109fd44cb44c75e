"""Messages of a method's process become text that can be stored and printed."""

import pytest

from uad_bench.execution.messages import Failure, parse_message


def test_half_a_character_becomes_a_question_mark():
    message = parse_message(
        r'{"event": "failed", "kind": "MethodError", "reason": "crash", "message": "caf\udce9 \u00e9"}'
    )
    assert isinstance(message, Failure)
    assert message.message == "caf? é"


@pytest.mark.parametrize("line", ["[" * 5000, "{}", "[1]", "null", '{"event": "failed"}', "\\"])
def test_what_is_no_message_is_a_value_error(line):
    with pytest.raises(ValueError, match=r"."):
        parse_message(line)
