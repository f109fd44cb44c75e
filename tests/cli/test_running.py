"""How the method of `run` is named."""

import pytest

from uad_bench.cli.app import _run


@pytest.mark.parametrize("words", [["my-idea"], ["--method", "my-idea"]])
def test_a_file_named_like_the_method_is_pointed_to(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_idea.py").touch()
    assert _run(["run", *words, "--task", "phantom-tiny"], debug=False) == 1
    assert (
        capsys.readouterr().err == "uad-bench: unknown method 'my-idea'; for the file here: uad-bench run my_idea.py\n"
    )


def test_a_method_may_be_named_without_an_option(capsys):
    assert _run(["run", "mmcd", "--task", "phantom-tiny"], debug=False) == 1
    assert "unknown method 'mmcd'; did you mean 'mmccd'" in capsys.readouterr().err
