"""No path of the machine survives; what only looks a little like one does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.runs.document import hide_paths, hide_paths_in_command

HIDDEN = {
    "cannot open /home/me/data/P1_flair.nii.gz: no": "cannot open P1_flair.nii.gz: no",
    "'/home/me/x.py'": "'x.py'",
    "~/data/a": "a",
    "~me/data/a": "a",
    "../private/a": "a",
    "./a": "a",
    "at (/tmp/x/y)": "at (y)",
    "/home/me/": "me",
    "no file '/home/Prof Jane Doe/secret  project/x.py'": "no file 'x.py'",
    "run /home/Jane Doe/my data/x.py now": "run x.py now",
    "/a/b.nii and /c/d.nii differ": "b.nii and d.nii differ",
    "path=/home/me/x": "path=x",
    "opening </home/me/x.py>": "opening <x.py>",
}


@pytest.mark.parametrize("text", HIDDEN)
def test_a_path_is_shortened_to_its_last_name(text: str):
    assert hide_paths(text) == HIDDEN[text]


@pytest.mark.parametrize(
    "text", ["phantom/mmccd/seed0-1", "dice / AUPRC", "1/2", "slices/s", "https://a.org/b", "<sub>0.510</sub>", "", "/"]
)
def test_what_is_no_path_of_a_machine_is_kept(text: str):
    assert hide_paths(text) == text


def test_a_command_keeps_its_words_and_loses_its_folders():
    words = [
        "/usr/bin/uad-bench",
        "run",
        "--data",
        "/home/me/brats",
        "--data=../x/brats",
        "--set",
        "root=/a/b",
        "data/c",
    ]
    assert hide_paths_in_command(words) == [
        "uad-bench",
        "run",
        "--data",
        "brats",
        "--data=brats",
        "--set",
        "root=b",
        "c",
    ]


@given(folders=st.lists(st.from_regex(r"[a-z0-9]{3,8}", fullmatch=True), min_size=2, max_size=6))
def test_no_folder_of_any_absolute_path_is_left(folders: list[str]):
    assert hide_paths("see /" + "/".join(folders)) == f"see {folders[-1]}"
