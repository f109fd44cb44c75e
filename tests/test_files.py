"""Files are whole or absent, and JSON says one thing."""

import errno
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.errors import ConfigError, ResourceError, UadBenchError
from uad_bench.files import atomic, parse_json, prepare_output, read_json, storage_error, write_json, write_text

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Broken(Exception):
    pass


def write_half(path: Path) -> None:
    with atomic(path) as file:
        file.write(b"half of the ne")
        raise Broken


def test_a_file_whose_writing_breaks_off_leaves_the_old_one_and_nothing_else(tmp_path: Path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(Broken):
        write_half(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path):
    with atomic(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disks_are_a_lack_of_resources(number: int):
    assert isinstance(storage_error(Path("a"), OSError(number, "full")), ResourceError)


def test_a_short_write_without_a_number_is_a_lack_of_resources():
    assert isinstance(storage_error(Path("a"), OSError("1000 requested and 10 written")), ResourceError)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_forbidden_places_are_a_matter_of_choosing_another(number: int):
    error = storage_error(Path("a"), OSError(number, "no"))
    assert isinstance(error, ConfigError)
    assert "choose another place" in str(error)


@given(value=PLAIN)
def test_what_is_written_as_json_is_read_back(value: object, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.getbasetemp() / "value.json"
    write_json(file, value)
    assert read_json(file) == value


def test_nan_is_not_written(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a", float("nan"))
    assert not list(tmp_path.iterdir())


REFUSED = {
    '{"a": 1, "a": 2}': "duplicate key 'a'",
    '{"b": {"a": 1, "c": 3, "a": 2}}': "duplicate key 'a'",
    "[NaN]": "NaN is not JSON",
    "[-Infinity]": "-Infinity is not JSON",
    "[" * 100_000: "nested too deeply",
    '{"a":' * 100_000: "nested too deeply",
    '["\\ud800"]': "surrogates",
    "9" * 5000: "digits",
    "{": "",
    "": "",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_json_that_is_ambiguous_or_a_bomb_is_refused_with_the_file_named(text: str, tmp_path: Path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.json") as refusal:
        read_json(tmp_path / "a.json")
    assert REFUSED[text] in str(refusal.value)


def test_a_file_too_large_to_be_ours_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("uad_bench.files.LARGEST_JSON", 10)
    (tmp_path / "a.json").write_text(" " * 11)
    with pytest.raises(ConfigError, match="too large"):
        read_json(tmp_path / "a.json")


@given(data=st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0123dea.-+ntf', max_size=60).map(str.encode))
def test_whatever_bytes_a_json_file_holds_reading_it_ends_in_a_value_or_one_sentence(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
):
    file = tmp_path_factory.getbasetemp() / "fuzz.json"
    file.write_bytes(data)
    try:
        value = read_json(file)
    except UadBenchError as error:
        assert "\n" not in str(error).strip()  # noqa: PT017 - the other way to end is to return
    else:
        assert json.loads(data) == value


def test_an_escaped_letter_is_text_like_any_other():
    assert parse_json('["\\u00e9\\ud83e\\udde0"]') == ["é🧠"]


def test_a_folder_in_place_of_an_output_file_is_refused_before_anything_is_computed(tmp_path: Path):
    with pytest.raises(ConfigError, match="this is a folder, not a file"):
        prepare_output(tmp_path)
