"""Which hyperparameters a method has, told from source alone."""

import dataclasses

import pytest

from uad_bench.errors import ConfigError
from uad_bench.plugins.declared_fields import check_names, declared_fields
from uad_bench.plugins.registry import Entry, methods

CLASS = """
import dataclasses
from typing import ClassVar
@dataclasses.dataclass(kw_only=True)
class Mine:
    whole_volume: ClassVar[bool] = True
    width: int = 8
    state_: int = dataclasses.field(init=False, repr=False)
"""


@pytest.fixture
def entry(tmp_path):
    """Function from a plugin file's text to its entry."""

    def write(text: str, target="Mine"):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return Entry("mine", f"mine.py:{target}", file=path)

    return write


@pytest.mark.parametrize("name", methods())
def test_source_tells_of_built_in_methods_what_their_classes_do(name):
    entry = methods()[name]
    assert declared_fields(entry) == {field.name for field in dataclasses.fields(entry.load()) if field.init}


def test_state_and_class_variables_are_no_hyperparameters(entry):
    assert declared_fields(entry(CLASS)) == {"width"}


def test_a_wrong_name_is_refused_with_its_neighbour(entry):
    check_names(entry(CLASS), ["width"])
    with pytest.raises(ConfigError, match="unknown hyperparameter of mine 'widht'; did you mean 'width'"):
        check_names(entry(CLASS), ["widht"])


@pytest.mark.parametrize(
    "text", [
        "class Mine:\n    def __init__(self, **anything): ...\n",
        "from unread import Base\nfrom dataclasses import dataclass\n@dataclass\nclass Mine(Base):\n    a: int = 1\n",
        "Mine = object\n",
        "class Mine(:\n",
    ],
)  # fmt: skip
def test_what_source_cannot_tell_is_left_to_the_building(entry, text):
    made = entry(text)
    assert declared_fields(made) is None
    check_names(made, ["anything"])
