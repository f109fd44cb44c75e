"""The cache says what it holds and can be emptied, by kind."""

import os

import numpy as np
import pytest

from uad_bench.cli.data import _bytes
from uad_bench.data.cache import Cache, clear_cache, list_cache
from uad_bench.data.cache import cache_root as where
from uad_bench.datasets.phantom import Phantom
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


def test_a_limit_keeps_the_entries_used_last(cache_root):
    kept = Cache.of(cache_root, "references")
    for second, key in enumerate("abc"):
        kept.write(key, {".npy": np.zeros(1000)}, {})
        for part in (".npy", ".json"):
            os.utime(kept.file(key, part), (second, second))
    assert kept.holds("a")  # used again, so that b is the oldest
    clear_cache(cache_root, limit=2 * kept.file("a").stat().st_size + 1000)
    assert [key for key in "abc" if kept.holds(key)] == ["a", "c"]


def test_a_generated_cohort_is_removed_as_a_whole(cache_root):
    for name in ("phantom-v1-0/COMPLETE.json", "phantom-v1-0/P0/P0_t1.nii.gz", "other/P1/P1_t1.nii.gz"):
        (path := cache_root / "datasets" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
        os.utime(path, (len(name), len(name)))
    clear_cache(cache_root, limit=8)
    assert sorted(path.name for path in (cache_root / "datasets").rglob("*") if path.is_file()) == [
        "COMPLETE.json",
        "P0_t1.nii.gz",
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda cache: Cache.of(cache, "slices").write("a", {".npy": np.zeros(2)}, {}),
        lambda cache: Cache.of(cache, "census").write("a", {}, {"age": 3}),
        lambda cache: Phantom(cache / "datasets", variant="phantom-tiny").subjects(),
    ],
)
def test_a_file_where_the_cache_should_be_is_one_sentence_that_names_the_variable(tmp_path, use):
    (file := tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigError, match=r"the cache .*file.* cannot be written: .*; set UAD_BENCH_CACHE to a writable folder"
    ):
        use(file)


def test_a_map_is_given_though_the_cache_cannot_keep_it(tmp_path):
    (file := tmp_path / "file").write_text("")
    assert Cache.of(file, "filtered").recall("a", lambda: np.ones(2)).sum() == 2


def test_the_cache_needs_no_home_folder_where_the_variable_names_it(monkeypatch):
    monkeypatch.setenv("UAD_BENCH_CACHE", "/somewhere")
    monkeypatch.setattr(os.path, "expanduser", pytest.fail)
    assert str(where()) == "/somewhere"


def test_no_home_folder_is_one_sentence_that_names_the_variable(monkeypatch):
    monkeypatch.delenv("UAD_BENCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(ConfigError, match="set UAD_BENCH_CACHE"):
        where()


@pytest.mark.parametrize(("text", "size"), [("500MB", 500_000_000), ("1.5 GiB", 3 << 29), ("4096", 4096), ("2k", 2000)])
def test_a_size_is_read_in_decimal_and_binary_units(text, size):
    assert _bytes(text) == size


def test_a_size_that_is_none_says_how_to_write_it():
    with pytest.raises(ConfigError, match="write it as 500MB"):
        _bytes("plenty")


def test_an_entry_holds_only_if_all_of_its_arrays_have_their_size(tmp_path):
    cache = Cache(tmp_path)
    cache.write("key", {".a.npy": np.zeros(3), ".b.npy": np.ones(3)}, {})
    assert cache.holds("key")
    cache.file("key", ".b.npy").write_bytes(b"short")
    assert not cache.holds("key")
