"""What is kept comes back; what does not fit goes, oldest use first."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uad_bench.data.cache import Cache

SIZE = 128 + 4 * 8 + 32  # bytes of a file with 8 numbers and their digest


def numbers(value: float) -> np.ndarray:
    return np.full(8, value, np.float32)


def forbidden() -> np.ndarray:
    return pytest.fail("made again")


def test_an_array_is_made_once_and_comes_back_the_same(tmp_path: Path):
    kept = Cache(tmp_path / "maps")
    first = kept.recall("a", lambda: numbers(3))
    assert np.array_equal(kept.recall("a", forbidden), first)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-40] + bytes([b[-40] ^ 64]) + b[-39:], lambda b: b[:100], lambda _: b""]
)
def test_a_damaged_array_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]):
    Cache(tmp_path).recall("a", lambda: numbers(3))
    file = tmp_path / "a.npy"
    file.write_bytes(damage(file.read_bytes()))
    assert np.array_equal(Cache(tmp_path).recall("a", lambda: numbers(4)), numbers(4))
    assert np.array_equal(Cache(tmp_path).recall("a", forbidden), numbers(4))


def test_over_the_limit_what_was_not_used_for_longest_is_forgotten(tmp_path: Path):
    kept = Cache(tmp_path, limit=2 * SIZE)
    for second, key in enumerate("ab"):
        kept.recall(key, lambda: numbers(1))
        os.utime(tmp_path / f"{key}.npy", (second, second))
    kept.recall("a", forbidden)  # used again, so that b is the older one
    kept.recall("c", lambda: numbers(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "c.npy"]
    assert np.array_equal(kept.recall("b", lambda: numbers(5)), numbers(5))


def test_an_array_larger_than_the_limit_is_given_and_not_kept(tmp_path: Path):
    assert np.array_equal(Cache(tmp_path, limit=SIZE - 1).recall("a", lambda: numbers(7)), numbers(7))
    assert not list(tmp_path.iterdir())


def test_a_cache_of_another_user_is_read_though_nothing_in_it_can_be_touched(tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    kept = Cache(tmp_path)
    kept.recall("a", lambda: numbers(3))
    monkeypatch.setattr(os, "utime", refuse)
    assert np.array_equal(kept.recall("a", forbidden), numbers(3))
