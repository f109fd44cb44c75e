"""What crosses from a method's process: events of ours, one error of the right class, and nothing forged."""

import json

import pytest

from uad_bench.errors import ConfigError, MethodError, ResourceError, UadBenchError
from uad_bench.execution.isolation import _checked, _failure
from uad_bench.execution.messages import Failure
from uad_bench.execution.stages import lacks_memory
from uad_bench.execution.worker import LONGEST_MESSAGE, describe_failure

FORGED = [b"", b"x", b"[]", b"{}", b'{"event": "evil"}', b'{"event": ["done"]}', b"[" * 100_000, b"\xff", b"null"]


@pytest.mark.parametrize("line", FORGED, ids=lambda line: ascii(line[:20]))
def test_a_line_that_is_no_event_of_ours_is_the_methods_failure(line: bytes):
    with pytest.raises(MethodError, match="invalid data"):
        _checked(line)


def test_an_event_of_ours_passes_with_its_details():
    line = {"event": "label_access", "path": "/a/seg.nii.gz"}
    assert _checked(json.dumps(line).encode()).to_json() == line


def test_a_loss_that_is_no_number_is_passed_on_as_none():
    line = b'{"event": "progress", "stage": "fit", "step": 1, "total": 2, "loss": NaN}'
    assert _checked(line).loss is None


CROSSING = {
    MethodError("m", reason="nan"): (MethodError, "nan"),
    ConfigError("c"): (ConfigError, None),
    ResourceError("r"): (ResourceError, None),
    ValueError("v"): (MethodError, "crash"),
    MemoryError(): (MethodError, "oom"),
    RecursionError("deep"): (MethodError, "crash"),
}


@pytest.mark.parametrize("error", CROSSING, ids=repr)
def test_an_error_keeps_its_class_and_reason_across_processes(error: Exception):
    kind, reason = CROSSING[error]
    crossed = _failure(Failure.model_validate_json(describe_failure(error).model_dump_json()))
    assert type(crossed) is kind
    assert getattr(crossed, "reason", None) == reason
    assert type(error).__name__ in crossed.__notes__[0]


@pytest.mark.parametrize("kind", ["unknown", "MethodError2", "__name__", "Iterable", "difflib"])
def test_a_class_that_is_no_error_of_ours_is_the_methods_failure(kind: str):
    crossed = _failure(Failure(kind=kind, message="m", reason="r", traceback="t"))
    assert (type(crossed), str(crossed)) == (MethodError, "m")


def test_a_plugins_own_kind_of_our_error_is_the_methods_failure():
    class Own(UadBenchError):
        pass

    assert type(_failure(describe_failure(Own("mine")))) is MethodError


def test_an_endless_message_is_cut():
    assert len(describe_failure(ValueError("x" * 10_000_000)).message) == LONGEST_MESSAGE


def test_an_error_about_memory_is_known_by_class_or_words():
    assert lacks_memory(type("OutOfMemoryError", (RuntimeError,), {})("x"))
    assert lacks_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert not lacks_memory(ValueError("out of memory"))
