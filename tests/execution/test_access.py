"""The fence around labels and source images: the innermost folder decides, links and names do not help."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.execution.label_guard import Fence, _refused


@pytest.fixture
def fence(tmp_path: Path) -> Fence:
    people = []
    for name in ("A", "B"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for file in (f"{name}_flair.nii.gz", f"{name}_seg.nii.gz"):
            (folder / file).touch()
        people.append(
            Subject(
                name, {"flair": ImageFile(folder / f"{name}_flair.nii.gz")}, ImageFile(folder / f"{name}_seg.nii.gz")
            )
        )
    for folder in ("cache/slices", "cache/references", "runs/own", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    return Fence.around(
        people, cache=tmp_path / "cache", allowed=[tmp_path / "cache" / "slices", tmp_path / "runs" / "own"]
    )


OUT = [
    *("data", "data/A", "data/A/A_seg.nii.gz", "data/A/A_flair.nii.gz", "data/A/new", "data/C/later.nii.gz"),
    *("cache", "cache/references/x.npy", "cache/slices/../references/x.npy", "elsewhere/B_seg.nii.gz"),
]
IN = ["", "elsewhere", "cache/slices", "cache/slices/x.npy", "runs/own/maps/A.npy", "data/A/plugin.py", "database"]


@pytest.mark.parametrize("place", OUT)
def test_out_of_reach(fence: Fence, tmp_path: Path, place: str):
    assert fence.keeps_out(str(tmp_path / place))


@pytest.mark.parametrize("place", IN)
def test_open(fence: Fence, tmp_path: Path, place: str):
    assert not fence.keeps_out(str(tmp_path / place))


def test_a_link_and_a_relative_name_lead_to_the_same_answer(
    fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "elsewhere" / "innocent.py").symlink_to(tmp_path / "data" / "A" / "A_seg.nii.gz")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert fence.keeps_out("innocent.py")
    assert fence.keeps_out("../data/A")


@pytest.mark.parametrize(
    "command", ["cat {data}/A/A_seg.nii.gz", "['ls', '{data}']", "cp --from={data}/A x", "find / -name B_seg.nii.gz"]
)
def test_a_command_that_names_what_is_out_of_reach_is_seen(fence: Fence, tmp_path: Path, command: str):
    assert fence.mentioned_in(command.format(data=tmp_path / "data"))


def test_a_command_on_staged_images_is_let_through(fence: Fence, tmp_path: Path):
    assert not fence.mentioned_in(f"python predict.py {tmp_path}/cache/slices/x.npy {tmp_path}/runs/own/out")


def test_python_itself_stays_open_where_the_data_lies_around_it(tmp_path: Path):
    here = Path(os.__file__).parents[3]
    subject = Subject("A", {"flair": ImageFile(here / "A_flair.nii")})
    assert not Fence.around([subject], cache=tmp_path, allowed=[]).keeps_out(os.__file__)


def test_a_fence_crosses_into_another_process_unchanged(fence: Fence):
    assert Fence.from_json(fence.to_json()) == fence


@contextmanager
def held(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("around", ["", "..", "runs/../../"])
def test_a_folder_around_what_is_forbidden_may_be_listed_but_neither_held_nor_moved(
    fence: Fence, tmp_path: Path, around: str
):
    place = str(tmp_path / around)
    assert _refused(fence, "os.listdir", (place,)) is None
    assert _refused(fence, "open", (place, None, os.O_RDONLY | os.O_DIRECTORY)) == place
    assert _refused(fence, "os.rename", (place, str(tmp_path / "elsewhere" / "new"), -1, -1)) == place


@pytest.mark.parametrize("event", ["os.listdir", "os.scandir", "os.chdir", "os.fwalk", "open"])
def test_a_descriptor_is_what_it_leads_to(fence: Fence, tmp_path: Path, event: str):
    with held(tmp_path / "cache" / "references") as out, held(tmp_path / "cache" / "slices") as inside:
        assert _refused(fence, event, (out,)) == str(tmp_path / "cache" / "references")
        assert _refused(fence, event, (inside,)) is None


def test_a_relative_name_is_looked_for_in_every_folder_that_is_held(fence: Fence, tmp_path: Path):
    asked = ("../cache/references/x.npy", None, os.O_RDONLY)
    assert _refused(fence, "open", asked) is None
    with held(tmp_path / "elsewhere"):
        assert _refused(fence, "open", asked) == str(tmp_path / "cache" / "references" / "x.npy")
        assert _refused(fence, "open", ("x.npy", None, os.O_RDONLY)) is None


def test_nothing_named_is_the_working_folder(fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path / "cache" / "references")
    assert _refused(fence, "os.listdir", (None,)) == os.curdir


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no unnamed files on this system")
def test_a_temporary_file_without_a_name_may_lie_around_what_is_forbidden(fence: Fence, tmp_path: Path):
    assert _refused(fence, "open", (str(tmp_path), None, os.O_RDWR | os.O_TMPFILE)) is None
