"""Digests name content: what defines a result changes them, what does not leaves them."""

import hashlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.digests import digest_file, digest_json
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source_digest import digest_source


def test_the_order_of_keys_does_not_matter_and_that_of_items_does():
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json([1, 2]) != digest_json([2, 1])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_two_numbers_have_one_digest_only_if_they_are_equal(number: float):
    assert digest_json(number) != digest_json(number + 1) or number + 1 == number


def test_nan_has_no_digest():
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_json({"a": float("nan")})


def test_the_digest_of_a_file_is_sha256_of_its_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


FILES = {
    "__init__.py": "raise SystemExit('imported')",
    "method.py": "from . import absolute\nfrom .network import Net\nimport stranger.late\n",
    "network.py": "def f():\n    from stranger.inner import deep\n",
    "absolute.py": "import numpy",
    "late.py": "from stranger.method import Method",
    "inner/__init__.py": "",
    "inner/deep.py": "from ..sibling import x",
    "sibling.py": "",
    "unrelated.py": "",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's package that must never be imported to be named."""
    folder = tmp_path / "stranger"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_change_in_whatever_a_method_imports_from_its_own_package_is_a_change_of_the_method(package: Path, name: str):
    entry = Entry("mine", "stranger.method:Method")
    before = digest_source(entry)
    (package / name).write_text(FILES[name] + "\n# changed")
    assert (digest_source(entry) != before) == (name != "unrelated.py")
    assert "stranger" not in sys.modules


def test_a_plugin_file_stands_for_itself(tmp_path: Path):
    (tmp_path / "plugin.py").write_text("METHODS = {}")
    assert digest_source(Entry("p", "plugin.py:P", file=tmp_path / "plugin.py")) == digest_file(tmp_path / "plugin.py")


def test_commands_that_differ_in_a_word_are_different_methods():
    first, second = (Entry("c", "x", command=("python", word)) for word in ("a.py", "b.py"))
    assert digest_source(first) != digest_source(second)
