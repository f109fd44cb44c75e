"""The cache says what it holds and can be emptied, by kind."""

import pytest

from uad_bench.data.cache import clear_cache, list_cache
from uad_bench.errors import ConfigError


def test_an_unused_cache_holds_nothing(cache_root):
    assert sum(use.files for use in list_cache(cache_root)) == 0


def test_use_is_counted_by_kind(cohort, cache_root):
    cohort.census(cache_root)
    use = {entry.kind: entry for entry in list_cache(cache_root)}
    assert use["census"].files == 6
    assert use["census"].bytes == sum(path.stat().st_size for path in (cache_root / "census").iterdir())
    assert use["slices"].files == 0


def test_clearing_one_kind_leaves_the_others(cohort, cache_root):
    cohort.census(cache_root)
    (cache_root / "slices").mkdir()
    (cache_root / "slices/x.npy").write_bytes(b"1234")
    assert [(use.files, use.bytes) for use in clear_cache(cache_root, ["slices"])] == [(1, 4)]
    assert {use.kind: use.files for use in list_cache(cache_root)}["census"] == 6


def test_clearing_everything_makes_the_next_pass_read_again(cohort, cache_root):
    before = cohort.census(cache_root)
    clear_cache(cache_root)
    assert sum(use.files for use in list_cache(cache_root)) == 0
    assert cohort.census(cache_root) == before


def test_an_unknown_kind_names_the_near_one(cache_root):
    with pytest.raises(ConfigError, match="did you mean 'slices'"):
        clear_cache(cache_root, ["slice"])
