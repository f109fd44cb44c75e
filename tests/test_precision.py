"""The precision of networks: what is asked for, and what the hardware has."""

import pytest

from uad_bench import precision
from uad_bench.errors import ConfigError
from uad_bench.precision import uses_bfloat16


@pytest.mark.parametrize("has", [True, False])
@pytest.mark.parametrize("asked", ["auto", "float32"])
def test_float32_is_kept_and_auto_takes_what_there_is(asked, has, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda kind: has and kind == "cuda")
    assert uses_bfloat16(asked, "cuda:1") == (has and asked == "auto")


def test_bfloat16_on_hardware_without_it_is_an_error(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda _: False)
    with pytest.raises(ConfigError, match="use float32 or auto"):
        uses_bfloat16("bfloat16", "cpu")
