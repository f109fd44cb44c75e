"""What is hidden from a method's process: of nested places the innermost decides, and links do not help."""

import os
from pathlib import Path

import pytest

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.execution.access import AccessPolicy


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cohort, a cache and runs, away from the folder for temporary files."""
    for folder in ("data/A", "data/B", "cache/slices", "cache/references", "runs/own", "runs/other", "work"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("A", "B"):
        for kind in ("flair", "seg"):
            (tmp_path / "data" / name / f"{name}_{kind}.nii.gz").touch()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def subject(folder: Path, name: str) -> Subject:
    image, label = (ImageFile(folder / f"{name}_{kind}.nii.gz") for kind in ("flair", "seg"))
    return Subject(name, {"flair": image}, label)


@pytest.fixture
def access(place: Path) -> AccessPolicy:
    return AccessPolicy.around(
        [subject(place / "data" / name, name) for name in ("A", "B")],
        hidden=[place / "cache", place / "runs"],
        read_only=[place / "cache" / "slices"],
        writable=[place / "runs" / "own"],
    )


HIDDEN = [
    *("data", "data/A", "data/A/A_seg.nii.gz", "data/A/A_flair.nii.gz", "data/A/new", "data/C/later.nii.gz"),
    *("cache", "cache/references/x.npy", "cache/slices/../references/x.npy", "runs", "runs/other/maps/A.npy"),
]
VISIBLE = ["", "work", "cache/slices", "cache/slices/x.npy", "runs/own/maps/A.npy", "database"]


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden(access: AccessPolicy, place: Path, name: str):
    assert access.hides(str(place / name))


@pytest.mark.parametrize("name", VISIBLE)
def test_visible(access: AccessPolicy, place: Path, name: str):
    assert not access.hides(str(place / name))


def test_a_link_and_a_relative_name_lead_to_the_same_answer(access: AccessPolicy, place: Path):
    Path("innocent.py").symlink_to(place / "data" / "A" / "A_seg.nii.gz")
    assert access.hides("innocent.py")
    assert access.hides("../data/A")


def test_files_that_are_links_are_hidden_where_they_lie_and_where_they_lead(place: Path):
    (place / "farm").mkdir()
    for file in (place / "data" / "A").iterdir():
        (place / "farm" / file.name).symlink_to(file)
    access = AccessPolicy.around([subject(place / "farm", "A")], hidden=[])
    assert access.hides(str(place / "data" / "A" / "A_seg.nii.gz"))
    assert str(place / "farm") in access.hidden


def test_labels_beside_the_working_folder_are_hidden_and_the_working_folder_is_not(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(place / "data" / "A")
    access = AccessPolicy.around([subject(place / "data" / "A", "A")], hidden=[])
    assert access.hides("A_seg.nii.gz")
    assert not access.hides("predict.py")


def test_python_itself_stays_open_where_the_data_lies_around_it(place: Path):
    here = Path(os.__file__).parents[3]
    assert not AccessPolicy.around([subject(here, "A")], hidden=[]).hides(os.__file__)


def test_a_policy_crosses_into_another_process_unchanged(access: AccessPolicy):
    assert AccessPolicy.from_json(access.to_json()) == access


def test_a_device_that_vanishes_while_devices_are_listed_is_passed_over(monkeypatch):
    monkeypatch.setattr(os, "walk", lambda _: [("/dev", [], ["no-such-device", "null"])])
    assert not any("/dev/" in path for path in AccessPolicy.around([], hidden=[]).hidden)
