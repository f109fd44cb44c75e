"""What is told of a method from its source alone."""

import subprocess
import sys

import pytest

from uad_bench.plugins.declarations import declaration
from uad_bench.plugins.registry import Entry, methods

METHOD = """
class Mine:
    @property
    def modalities(self):
        return Modalities(fit=("flair", self.target), score=("flair",))
    def fit(self): ...
    def score(self): ...
"""


@pytest.fixture
def declared(tmp_path):
    """Function from a plugin file's text to its declaration."""

    def read(text: str):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return declaration(Entry("mine", "mine.py:Mine", file=path))

    return read


def test_modalities_are_read_from_the_return_statement(declared):
    found = declared(METHOD)
    assert (found.fit, found.score, found.problem) == (("flair", "target"), ("flair",), None)


def test_modalities_that_are_computed_are_unknown(declared):
    assert declared(METHOD.replace('("flair", self.target)', "tuple(self.asked)")).fit is None


def test_modalities_of_a_class_above_in_another_module_are_found():
    entries = methods()
    assert declaration(entries["intensity"]).score == ("source",)
    assert declaration(entries["mmccd"]).fit == ("source", "target")


def test_a_missing_requirement_is_a_problem(declared):
    assert declared(f"import surely_not_installed\n{METHOD}").problem == (
        "needs 'surely_not_installed', which is not installed"
    )


def test_a_requirement_that_the_file_can_do_without_is_none(declared):
    assert declared(f"try:\n    import surely_not_installed\nexcept ImportError:\n    pass\n{METHOD}").problem is None


def test_a_missing_class_and_a_syntax_error_are_problems(declared):
    assert declared("x = 1\n").problem == "mine has no 'Mine'"
    assert declared("class Mine(:\n").problem == "mine.py, line 1: invalid syntax"


def test_a_distribution_whose_module_is_gone_is_a_problem():
    assert declaration(Entry("gone", "surely_gone.mod:A", "gone 1")).problem == "no module named 'surely_gone'"


def test_every_shipped_method_says_what_it_needs_and_lacks_nothing():
    for entry in methods().values():
        found = declaration(entry)
        assert found.problem is None or found.problem.endswith("; pip install 'uad-bench[features]'")
        assert found.score


def test_listing_methods_imports_no_torch():
    listing = "from uad_bench.output.inventory import list_methods; list_methods(None, ())"
    code = f"import sys; {listing}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
