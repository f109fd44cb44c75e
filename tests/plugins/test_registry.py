"""Names, where they come from, and what happens when two want the same one."""

import sys

import pytest

from uad_bench.errors import ConfigError, MethodError
from uad_bench.plugins import registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Function that puts a distribution with one method on the path, as an installer would."""

    def add(distribution: str, name: str, target: str, **modules: str) -> None:
        place = tmp_path / distribution
        info = place / f"{distribution}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[uad_bench.methods]\n{name} = {target}\n")
        for module, text in modules.items():
            (place / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(place))

    return add


def test_an_installed_method_is_known_by_its_distribution_and_version(install):
    install("stranger", "odd-one", "stranger_mod:Odd", stranger_mod="raise RuntimeError('never imported')")
    entry = registry.methods()["odd-one"]
    assert (entry.origin, entry.target) == ("stranger 1.2", "stranger_mod:Odd")
    assert "stranger_mod" not in sys.modules


def test_two_distributions_that_claim_one_name_are_both_named(install):
    install("first", "same", "first_mod:A")
    install("second", "same", "second_mod:B")
    with pytest.raises(ConfigError, match=r"'same'.*first 1\.2 .*second 1\.2"):
        registry.methods()


def test_a_file_may_not_take_the_name_of_a_shipped_method(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class A: ...\nMETHODS = {'random': A}\n")
    with pytest.raises(ConfigError, match=r"'random'.*uad-bench .*mine\.py"):
        registry.methods([file])


def test_a_missing_requirement_is_the_reason_why_a_method_is_unavailable(install):
    install("needy", "needy", "needy_mod:A", needy_mod="import surely_not_installed\nclass A: ...\n")
    with pytest.raises(MethodError, match="needs 'surely_not_installed'") as caught:
        registry.methods()["needy"].load()
    assert caught.value.reason == "unavailable: surely_not_installed"


def test_the_extra_that_brings_what_is_missing_is_named(install, monkeypatch):
    install("needy", "needy", "needy_mod:A", needy_mod="import surely_not_installed\nclass A: ...\n")
    lines = ["numpy>=2", "Surely.not-installed==1; extra == 'all'", "a; extra == 'all'"]
    lines += ["Surely.not-installed==1; extra == 'more'", 'other; extra == "fast"']
    monkeypatch.setattr(registry, "requires", lambda name: lines if name == "needy" else None)
    with pytest.raises(MethodError, match=r"which is not installed; pip install 'needy\[more\]'$"):
        registry.methods()["needy"].load()


def test_a_class_that_is_not_there_is_unavailable(install):
    install("hollow", "hollow", "hollow_mod:Gone", hollow_mod="")
    with pytest.raises(MethodError, match="has no attribute 'Gone'"):
        registry.methods()["hollow"].load()


def test_an_unknown_name_is_answered_with_the_near_one():
    with pytest.raises(ConfigError, match="'mean-distence'; did you mean 'mean-distance'"):
        registry.find("method", "mean-distence", registry.methods())


def test_a_file_method_loads_as_its_class(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class Chosen: ...\nMETHODS = {'chosen': Chosen}\n")
    assert registry.methods([file])["chosen"].load().__name__ == "Chosen"
