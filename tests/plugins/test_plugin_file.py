"""Which methods a single file offers, found without running it where its source says so."""

import pytest

from uad_bench.errors import ConfigError
from uad_bench.plugins.plugin_file import import_file, methods_of, names_in_file
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source_digest import digest_source

FITTING = "class Bright:\n    modalities = None\n    def fit(self): ...\n    def score(self): ...\n"


@pytest.fixture
def names(tmp_path):
    """Function from a file's text to its names."""

    def read(text: str) -> dict[str, str]:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return names_in_file(path)

    return read


def test_a_literal_dictionary_is_read_without_running_the_file(names):
    assert names("raise SystemExit\nclass A: ...\nMETHODS = {'a': A}\n") == {"a": "A"}


def test_the_one_fitting_class_is_read_without_running_the_file(names):
    assert names(f"raise SystemExit\nclass Other: ...\n{FITTING}") == {"bright": "Bright"}


def test_parts_of_the_contract_may_come_from_a_class_above(names):
    text = "from uad_methods.intensity import Untrained\n"
    assert names(f"{text}class Mine(Untrained):\n    def score(self, batch): ...\n") == {"mine": "Mine"}


def test_names_that_are_computed_are_found_by_running_the_file_elsewhere(names):
    assert names(f"print('noise')\n{FITTING}METHODS = {{f'v{{i}}': Bright for i in range(2)}}\n") == {
        "v0": "Bright",
        "v1": "Bright",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def broken(:\n", "is not valid Python"),
        ("METHODS = dict()\n", "METHODS is empty or not a dictionary"),
        ("class A:\n    def fit(self): ...\n", "A lacks modalities, score"),
        (FITTING + FITTING.replace("Bright", "Dark"), "2 classes"),
        ("import os\nos._exit(3)\n", "exit code 3"),
        ("raise ValueError('no luck')\n", "ValueError: no luck"),
    ],
)
def test_a_file_that_offers_nothing_says_why(names, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        names(text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.py does not exist"):
        names_in_file(tmp_path / "nowhere.py")


def test_a_file_may_import_its_neighbour(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("ANSWER = 42\n")
    (tmp_path / "mine.py").write_text(f"from neighbour_of_mine import ANSWER\n{FITTING}")
    module = import_file(tmp_path / "mine.py")
    assert (module.ANSWER, list(methods_of(module))) == (42, ["bright"])


def test_a_neighbour_that_the_file_imports_is_part_of_its_identity(tmp_path):
    file, neighbour = tmp_path / "mine.py", tmp_path / "neighbour_too.py"
    file.write_text(f"import os\nfrom neighbour_too import ANSWER\n{FITTING}")
    neighbour.write_text("ANSWER = 42\n")
    (tmp_path / "stranger.py").write_text("ANSWER = 1\n")
    entry = Entry("bright", "mine.py:Bright", file=file)
    before = digest_source(entry)
    (tmp_path / "stranger.py").write_text("ANSWER = 2\n")
    assert digest_source(entry) == before
    neighbour.write_text("ANSWER = 43\n")
    assert digest_source(entry) != before
