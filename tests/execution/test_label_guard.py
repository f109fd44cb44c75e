"""The fence around labels and source images: the innermost folder decides, links and names do not help."""

import os
from pathlib import Path

import pytest

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.execution.label_guard import Fence


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
