"""Hints help only if they are near."""

from uad_bench.errors import unknown


def test_a_name_that_is_near_nothing_gets_the_list_and_no_hint():
    assert str(unknown("protocol", "nope", ["anoddpm", "volume"])) == "unknown protocol 'nope'; known: anoddpm, volume"


def test_a_slip_gets_what_was_meant():
    assert "did you mean 'volume'" in str(unknown("protocol", "volum", ["anoddpm", "volume"]))
