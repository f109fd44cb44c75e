"""Whether a method can be loaded is found from its source alone."""

import subprocess
import sys

import pytest

from uad_bench.plugins.registry import Entry, methods, problem_of

METHOD = """
class Mine:
    @property
    def modalities(self):
        return Modalities(fit=("flair", self.target), score=("flair",))
    def fit(self): ...
    def score(self): ...
"""


@pytest.fixture
def problem(tmp_path):
    """Function from a plugin file's text to why it cannot be loaded."""

    def read(text: str):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return problem_of(Entry("mine", "mine.py:Mine", file=path))

    return read


def test_a_missing_requirement_is_a_problem(problem):
    assert problem(f"import surely_not_installed\n{METHOD}") == ("needs 'surely_not_installed', which is not installed")


def test_a_requirement_that_the_file_can_do_without_is_none(problem):
    assert problem(f"try:\n    import surely_not_installed\nexcept ImportError:\n    pass\n{METHOD}") is None


def test_a_syntax_error_is_a_problem(problem):
    assert problem("class Mine(:\n") == "mine.py, line 1: invalid syntax"


def test_a_distribution_whose_module_is_gone_is_a_problem():
    assert problem_of(Entry("gone", "surely_gone.mod:A", "gone 1")) == "no module named 'surely_gone'"


def test_every_shipped_method_can_be_loaded_or_names_the_extra_that_it_needs():
    for entry in methods().values():
        problem = problem_of(entry)
        assert problem is None or problem.endswith("; pip install 'uad-bench[features]'")


def test_listing_methods_imports_no_torch():
    listing = "from uad_bench.output.inventory import list_methods; list_methods(None, ())"
    code = f"import sys; {listing}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
