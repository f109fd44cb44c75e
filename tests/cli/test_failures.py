"""Every failure of a command is one sentence with a way out and a fixed exit code, whatever the streams are."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uad_bench.cli.app import _run
from uad_bench.cli.failures import explain, option_of
from uad_bench.errors import ConfigError, PathError


def uad_bench(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The program itself, in a process of its own, with its streams as given."""
    return subprocess.run([sys.executable, "-m", "uad_bench", *arguments], stderr=subprocess.PIPE, text=True, **options)


def test_the_version_is_printed(capsys):
    from uad_bench import __version__

    assert _run(["--version"], debug=False) == 0
    assert capsys.readouterr().out == f"uad-bench {__version__}\n"


@pytest.mark.parametrize("group", [[], ["data"], ["data", "cache"], ["suite"], ["leaderboard"]])
def test_a_group_without_a_command_prints_its_help(group, capsys):
    assert _run(group, debug=False) == 0
    said = capsys.readouterr()
    assert "Usage: uad-bench" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EACCES, 1), (errno.ENOENT, 1), (errno.ENOSPC, 4), (errno.EMFILE, 4)]
)
def test_a_system_error_names_the_file_and_has_the_code_of_its_kind(number, code):
    sentence, exit_code = explain(OSError(number, os.strerror(number), "/there/file"), [])
    assert sentence.startswith(f"/there/file: {os.strerror(number)}; ")
    assert exit_code == code


def test_a_system_error_below_the_data_folder_is_an_error_of_the_data():
    error = PermissionError(errno.EACCES, "Permission denied", "/data/P1/seg.nii.gz")
    sentence, code = explain(error, ["run", "-d", "/data"])
    assert sentence == "/data/P1/seg.nii.gz: Permission denied; correct it, or give another path with -d"
    assert code == 3


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["bundle", "make", "x", "-o", "/out/b.zip", "--runs", "/"], "-o"),
        (["report", "--figures=/out"], "--figures"),
        (["show", "x", "--runs", "/out"], "--runs"),
        (["show", "x", "--runs", "/other"], None),
    ],
)
def test_the_option_that_chose_a_path_is_named(arguments, option):
    assert option_of("/out/b.zip", arguments) == option


def test_a_path_in_the_cache_names_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("UAD_BENCH_CACHE", str(tmp_path))
    sentence, _ = explain(PathError(tmp_path / "datasets", "Permission denied"), ["run"])
    assert sentence.endswith("choose another place with UAD_BENCH_CACHE")


def test_a_bug_is_one_sentence_with_its_line_and_the_code_70():
    try:
        {}["missing"]
    except KeyError as error:
        sentence, code = explain(error, [])
    assert sentence.startswith("internal error: KeyError: 'missing' (test_failures.py:")
    assert code == 70


def test_an_error_of_the_user_keeps_its_sentence():
    assert explain(ConfigError("no"), []) == ("no", 1)


def test_a_terminal_without_utf_8_gets_replaced_characters():
    done = uad_bench("list", "tasks", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "phantom-tiny" in done.stdout


def test_a_closed_standard_output_is_no_failure():
    done = uad_bench("list", "tasks", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_standard_output_is_a_lack_of_space():
    with Path("/dev/full").open("w") as full:
        done = uad_bench("list", "tasks", stdout=full)
    assert done.returncode == 4
    assert done.stderr == "uad-bench: No space left on device; free some and run the same command again\n"


def test_a_reader_that_has_gone_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    done = uad_bench("list", "tasks", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("columns", ["0", "40"])
def test_a_terminal_may_be_of_any_width(columns, monkeypatch):
    done = uad_bench("--help", stdout=subprocess.PIPE, env={**os.environ, "COLUMNS": columns})
    assert done.returncode == 0
    assert "crosswalk" in done.stdout


def test_debug_may_follow_the_command_and_shows_the_traceback():
    done = uad_bench("show", "nothing", "--debug", stdout=subprocess.PIPE)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("uad-bench: no single run 'nothing'")


@pytest.mark.slow
def test_debug_shows_log_messages_that_are_hidden_otherwise(tmp_path):
    board = ["leaderboard", "export", "--task", "phantom", "-o", str(tmp_path / "board.csv"), "--format", "csv"]
    assert f"uad_bench.files: wrote {tmp_path / 'board.csv'}" in uad_bench(*board, "--debug").stderr
    assert uad_bench(*board).stderr == ""
