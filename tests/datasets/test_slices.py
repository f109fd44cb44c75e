"""Cohorts stored as one file a slice: stacked once, pixel by pixel where they belong."""

import struct
import tomllib
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from uad_bench.data.census import take_census
from uad_bench.data.volume import native_orientation, read_volume
from uad_bench.datasets.cohort import TwoCohorts
from uad_bench.datasets.folder import Folder
from uad_bench.errors import ConfigError, DataError
from uad_bench.execution.access import AccessPolicy

COLUMNS, ROWS, DEPTH = 5, 4, 3
PIXELS = np.arange(1, 1 + DEPTH * ROWS * COLUMNS, dtype=np.uint8).reshape(DEPTH, ROWS, COLUMNS)
"""(slice, row, column), every pixel another number."""
FLAIR = {"flair": "{id}/flair/{slice}.*"}
SPACING = [0.5, 0.75, 4.0]


@pytest.fixture(autouse=True)
def stacks(tmp_path, monkeypatch):
    """The folder of stacked volumes, of this test alone."""
    monkeypatch.setenv("UAD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stacked"


@pytest.fixture
def draw(root):
    """Writes pictures of arrays (rows, columns[, channels]) below the root."""

    def draw(name, pixels, **options):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, **options)
        return path

    return draw


@pytest.fixture
def case(draw):
    """One patient, slices 006 to 008, with masks of the pixels above 30."""
    for number, pixels in enumerate(PIXELS, 6):
        draw(f"p1/flair/{number:03}.png", pixels)
        draw(f"p1/mask/{number:03}.png", np.uint8(255) * (pixels > 30))


def opened(root, **options):
    return Folder(root, **({"images": FLAIR, "spacing": SPACING} | options)).subjects()


def flair(root, **options):
    (subject,) = opened(root, **options)
    return read_volume(subject.images["flair"])


def test_a_voxel_is_the_pixel_that_it_came_from(root, case):
    volume = flair(root)
    assert volume.array.shape == (COLUMNS, ROWS, DEPTH)
    assert volume.array.dtype == np.uint8
    for (z, row, column), value in np.ndenumerate(PIXELS):  # canonical x runs to the right, y to the front
        assert volume.array[COLUMNS - 1 - column, ROWS - 1 - row, z] == value
    np.testing.assert_allclose(volume.spacing, SPACING)


def test_pictures_are_stored_as_radiologists_look_at_them(root, case):
    (subject,) = opened(root)
    stored = native_orientation(subject.images["flair"])
    assert stored.codes == "LPS"
    assert stored.shape == (COLUMNS, ROWS, DEPTH)


def test_the_orientation_says_where_columns_rows_and_slices_run(root, case):
    volume = flair(root, orientation="PIR")  # sagittal slices, from the left ear to the right
    for (x, row, column), value in np.ndenumerate(PIXELS):
        assert volume.array[x, COLUMNS - 1 - column, ROWS - 1 - row] == value
    np.testing.assert_allclose(volume.spacing, (4.0, 0.5, 0.75))


def test_masks_lie_where_their_images_do(root, case):
    (subject,) = opened(root, label="{id}/mask/{slice}.png", brain_mask="{id}/mask/{slice}.png")
    image = read_volume(subject.images["flair"]).array
    for mask in (subject.label, subject.brain_mask):
        np.testing.assert_array_equal(read_volume(mask).array, np.where(image > 30, 255, 0))


def test_the_census_takes_a_stack_like_any_scan(root, case, tmp_path):
    facts = take_census(opened(root, label="{id}/mask/{slice}.png"), ("flair",), cache=tmp_path)["p1"]
    assert facts.shape == (COLUMNS, ROWS, DEPTH)
    assert facts.anomaly_area == (0, 10, 20)
    assert facts.label_values == (0, 255)


def test_slices_are_ordered_by_number_not_by_name(root, draw):
    for number in range(1, 13):
        draw(f"p1/flair/{number}.tif", np.full((ROWS, COLUMNS), number, np.uint8))
    np.testing.assert_array_equal(flair(root).array[0, 0], np.arange(1, 13))


def test_names_may_hold_patient_and_slice_together(root, draw):
    for name in ("TCGA_1_1996_1", "TCGA_1_1996_2"):
        draw(f"TCGA_1_1996/{name}.tif", PIXELS[0])
        draw(f"TCGA_1_1996/{name}_mask.tif", PIXELS[0] > 9)
    (subject,) = opened(root, images={"flair": "{id}/{id}_{slice}.tif"}, label="{id}/{id}_{slice}_mask.tif")
    assert subject.id == "TCGA_1_1996"
    assert subject.attributes == {}
    assert set(np.unique(read_volume(subject.label).array)) == {0, 255}


def documented(title):
    page = (Path(__file__).parents[2] / "docs/add-a-dataset.md").read_text(encoding="utf-8")
    return tomllib.loads(page.partition(f'toml title="{title}"\n')[2].partition("```")[0])


def test_the_documented_pictures_are_found(root, draw):
    for number in range(7, 10):
        for kind in ("flair", "t2", "mask"):
            draw(f"case12/{kind}/{number:03}.png", PIXELS[0])
    (subject,) = Folder(root, **documented("slices/dataset.toml")).subjects()
    assert sorted(subject.images) == ["flair", "t2"]
    assert read_volume(subject.label).array.shape == (COLUMNS, ROWS, 3)


def test_the_documented_channels_are_found(root, draw):
    name = "TCGA_CS_4941_19960909"
    for number in range(1, 11):
        draw(f"{name}/{name}_{number}.tif", np.dstack([PIXELS[0], PIXELS[1], PIXELS[2]]))
        draw(f"{name}/{name}_{number}_mask.tif", np.uint8(255) * (PIXELS[0] > 9))
    (subject,) = Folder(root, **documented("kaggle/dataset.toml")).subjects()
    for channel, modality in enumerate(("t1", "flair", "t1ce")):
        volume = read_volume(subject.images[modality]).array
        np.testing.assert_array_equal(volume[::-1, ::-1, 4].T, PIXELS[channel])


def test_the_documented_orientation_of_saved_arrays_is_right(root, draw):
    scan = PIXELS.transpose(2, 1, 0)  # (X, Y, Z) in RAS+
    for z in range(DEPTH):
        draw(f"p1/flair/{z}.png", scan[:, :, z])
    np.testing.assert_array_equal(flair(root, orientation="ARS").array, scan)


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", np.uint16), ("tif", np.uint16), ("TIF", np.uint8), ("tiff", np.float32)]
)
def test_every_depth_arrives_whole(root, draw, suffix, dtype):
    pixels = (PIXELS * 4.0).astype(dtype) if dtype != np.uint16 else PIXELS.astype(dtype) * 1000
    for number in range(DEPTH):
        draw(f"p1/flair/{number}.{suffix}", pixels[number])
    volume = flair(root).array
    assert volume.dtype == dtype
    np.testing.assert_array_equal(volume[::-1, ::-1].transpose(2, 1, 0), pixels)


def test_jpeg_is_read_within_its_own_loss(root, draw):
    draw("p1/flair/0.jpg", np.full((8, 8), 90, np.uint8), quality=95)
    assert np.abs(flair(root).array.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("channels", [3, 4])
def test_equal_channels_are_grey(root, draw, channels):
    pixels = np.dstack([PIXELS[0]] * 3 + [np.full_like(PIXELS[0], 255)] * (channels - 3))
    draw("p1/flair/0.png", pixels)
    np.testing.assert_array_equal(flair(root).array[::-1, ::-1, 0].T, PIXELS[0])


def test_a_picture_of_grey_palette_colours_is_grey(root):
    (root / "p1/flair").mkdir(parents=True)
    picture = Image.fromarray(PIXELS[0]).convert("P")
    picture.putpalette([level for index in range(256) for level in [255 - index] * 3])
    picture.save(root / "p1/flair/0.png")
    np.testing.assert_array_equal(flair(root).array[::-1, ::-1, 0].T, 255 - PIXELS[0])


def test_a_channel_of_colour_pictures_is_a_modality(root, draw):
    for number in range(DEPTH):
        draw(f"p1/{number}.tif", np.dstack([PIXELS[number], PIXELS[number] + 60, PIXELS[number] + 120]))
    (subject,) = opened(
        root, images={"t1": "{id}/{slice}.tif", "flair": "{id}/{slice}.tif"}, channels={"t1": 0, "flair": 1}
    )
    t1, found = (read_volume(subject.images[name]).array for name in ("t1", "flair"))
    np.testing.assert_array_equal(t1[::-1, ::-1].transpose(2, 1, 0), PIXELS)
    np.testing.assert_array_equal(found, t1 + 60)


@pytest.mark.parametrize("shape", [(COLUMNS, ROWS), (COLUMNS, ROWS, 1)])
def test_flat_nifti_files_keep_their_own_axes(root, write, shape):
    for number in range(DEPTH):
        write(f"p1/flair/{number}.nii.gz", PIXELS[number].T.reshape(shape))  # the fixture's affine says RAS
    np.testing.assert_array_equal(flair(root).array.transpose(2, 1, 0), PIXELS)
    np.testing.assert_array_equal(flair(root, orientation="LPS").array[::-1, ::-1].transpose(2, 1, 0), PIXELS)


def test_the_second_opening_writes_nothing(root, case, stacks):
    first = opened(root, label="{id}/mask/{slice}.png")
    before = {path: path.stat().st_mtime_ns for path in stacks.rglob("*")}
    assert opened(root, label="{id}/mask/{slice}.png") == first
    assert {path: path.stat().st_mtime_ns for path in stacks.rglob("*")} == before
    assert sorted(path.name for path in before if path.is_file()) == ["p1_flair.nii", "p1_label-mask.nii"]


def test_a_changed_pixel_makes_another_stack(root, case, draw):
    (before,) = opened(root)
    draw("p1/flair/007.png", PIXELS[1] + 1)
    (after,) = opened(root)
    assert after.images["flair"].path != before.images["flair"].path
    assert (read_volume(after.images["flair"]).array != read_volume(before.images["flair"]).array).sum() == PIXELS[
        1
    ].size


def test_moved_files_of_the_same_content_share_a_stack(root, case):
    (before,) = opened(root)
    (root / "p1/flair").rename(root / "p1/again")
    (after,) = opened(root, images={"flair": "{id}/again/{slice}.png"})
    assert after.images == before.images


def test_the_files_behind_a_stack_are_out_of_a_methods_reach(root, case):
    access = AccessPolicy.around(opened(root, label="{id}/mask/{slice}.png"), hidden=[])
    assert access.hides(str(root / "p1/mask/007.png"))
    assert access.hides(str(root / "p1/flair/007.png"))


def test_sliced_people_may_be_one_of_two_cohorts(root, case, write):
    write("b/p2.nii.gz")
    sliced = {"dataset": "folder", "folder": ".", "images": FLAIR, "spacing": SPACING, "healthy": True}
    whole = {"dataset": "folder", "folder": "b", "images": {"flair": "{id}.nii.gz"}}
    assert [subject.id for subject in TwoCohorts(root, train=sliced, test=whole).subjects()] == ["p1", "p2"]


def test_a_gap_names_the_missing_slice(root, case):
    (root / "p1/flair/007.png").unlink()
    with pytest.raises(DataError, match=r"006\.png: next to it, slice 7 of p1's flair is missing; add it"):
        opened(root)


def test_every_patient_with_a_fault_is_named_at_once(root, case, draw):
    for name in ("p2", "p3"):
        draw(f"{name}/flair/1.png", PIXELS[0])
        draw(f"{name}/flair/3.png", PIXELS[0])
    with pytest.raises(DataError, match=r"slice 2 of p2's flair is missing.*\n.*slice 2 of p3's flair is missing"):
        opened(root)


def test_stacking_tells_how_far_it_is(root, case, draw):
    seen = []
    draw("p2/flair/1.png", PIXELS[0])
    opened(root, report=seen.append)
    assert [(progress.stage, progress.step, progress.total) for progress in seen] == [
        ("stacking slices", 1, 2),
        ("stacking slices", 2, 2),
    ]


def test_a_far_number_is_a_gap_like_any(root, case, draw):
    draw(f"p1/flair/{10**15}.png", PIXELS[0])
    with pytest.raises(DataError, match=r"008\.png: next to it, slice 9 \(and \d+ more\) of p1's flair is missing"):
        opened(root)


def test_a_modality_with_fewer_slices_is_a_gap(root, case, draw):
    for number in (6, 7):
        draw(f"p1/t2/{number:03}.png", PIXELS[0])
    with pytest.raises(DataError, match="slice 8 of p1's t2 is missing"):
        opened(root, images=FLAIR | {"t2": "{id}/t2/{slice}.png"})


def test_a_missing_mask_asks_for_zeros(root, case):
    (root / "p1/mask/006.png").unlink()
    with pytest.raises(
        DataError, match="slice 6 of p1's label is missing; a slice without anomaly needs a mask of zeros"
    ):
        opened(root, label="{id}/mask/{slice}.png")


def test_a_mask_without_its_image_is_named(root, case, draw):
    draw("p1/mask/009.png", PIXELS[0])
    with pytest.raises(DataError, match=r"mask/009\.png: mask without an image; p1 has no slice 9"):
        opened(root, label="{id}/mask/{slice}.png")


def test_one_number_twice_is_named_with_both_files(root, case, draw):
    draw("p1/flair/7.png", PIXELS[0])
    with pytest.raises(DataError, match=r"7\.png: subject p1 has another flair for slice 7, .*007\.png"):
        opened(root)


@pytest.mark.parametrize(
    ("name", "pixels", "complaint"),
    [
        ("flair/007.png", PIXELS[0, :-1], r"flair/007\.png: 5x3 pixels, .*006\.png has 5x4; slices of a patient"),
        ("mask/007.png", PIXELS[0, :, :-1], r"mask/007\.png: 4x4 pixels, .*flair/006\.png has 5x4"),
        (
            "flair/007.png",
            np.uint16(PIXELS[0]),
            r"007\.png: uint16, .*006\.png is uint8; save all slices with the same bit depth",
        ),
        ("flair/007.png", np.dstack([PIXELS[0], PIXELS[0], PIXELS[1]]), r"007\.png: a colour image whose channels"),
        ("flair/007.png", np.dstack([PIXELS[0]] * 4), r"007\.png: the image is partly transparent"),
    ],
)
def test_a_slice_unlike_the_others_is_refused(root, case, draw, name, pixels, complaint):
    draw(f"p1/{name}", pixels)
    with pytest.raises(DataError, match=complaint):
        opened(root, label="{id}/mask/{slice}.png")


@pytest.mark.parametrize("shape", [(1, COLUMNS), (ROWS, 1)])
def test_a_line_is_no_slice(root, draw, shape):
    draw("p1/flair/0.png", np.ones(shape, np.uint8))
    with pytest.raises(DataError, match=r"0\.png: a single line of \d pixels is not a slice"):
        opened(root)


def test_a_nifti_file_of_one_axis_is_refused(root, write):
    write("p1/flair/0.nii", np.ones(5, np.int16))
    with pytest.raises(DataError, match=r"0\.nii: an image of shape \(5,\)"):
        opened(root)


def test_a_volume_in_place_of_a_slice_is_refused(root, write):
    write("p1/flair/0.nii")
    with pytest.raises(DataError, match=r"0\.nii: shape \(4, 5, 6\) is not a single slice; remove \{slice\}"):
        opened(root)


def test_a_picture_that_is_none_is_refused(root, case):
    (root / "p1/flair/007.png").write_bytes(b"GIF89a not a picture")
    with pytest.raises(DataError, match=r"007\.png: not a readable PNG, JPEG or TIFF image"):
        opened(root)


def test_a_picture_cut_short_is_refused(root, draw):
    path = draw("p1/flair/0.png", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"0\.png: not a readable"):
        opened(root)


@pytest.mark.parametrize("limit", [15, 8])  # Pillow warns above its limit and refuses above twice of it
def test_a_decompression_bomb_is_refused(root, case, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=r"006\.png: too many pixels for a slice; refused as a decompression bomb"):
        opened(root)


def test_several_pictures_in_one_file_are_refused(root):
    (root / "p1/flair").mkdir(parents=True)
    pages = [Image.fromarray(pixels) for pixels in PIXELS]
    pages[0].save(root / "p1/flair/0.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"0\.tif: contains 3 images; save each slice in a separate file"):
        opened(root)


def test_colour_of_16_bits_is_refused_rather_than_cut(root):
    row = b"\0" + np.arange(3 * COLUMNS, dtype=">u2").tobytes()
    path = root / "p1/flair/0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(png((COLUMNS, ROWS, 16, 2), row * ROWS))
    with pytest.raises(DataError, match=r"0\.png: colour with 16 bits per channel would be reduced to 8 bits"):
        opened(root)


def test_a_mask_that_jpeg_blurred_is_refused(root, case, draw):
    for number in (6, 7, 8):
        draw(f"p1/blurred/{number}.jpg", np.uint8(255) * (PIXELS[number - 6] % 3 == 0), quality=50)
    with pytest.raises(DataError, match=r"\.jpg: JPEG compression has altered the values of this mask"):
        opened(root, label="{id}/blurred/{slice}.jpg")


def test_nan_in_a_picture_is_named(root, draw):
    draw("p1/flair/0.tif", np.full((ROWS, COLUMNS), np.nan, np.float32))
    with pytest.raises(DataError, match=r"0\.tif: some pixels are NaN"):
        opened(root)


def test_a_channel_that_is_not_there_is_named(root, case):
    with pytest.raises(
        DataError, match=r"006\.png: channel 1 does not exist \(the image has 1, counted from 0\); correct \[channels\]"
    ):
        opened(root, channels={"flair": 1})


def test_axes_that_differ_ask_for_the_orientation(root, case):
    nib.save(nib.Nifti1Image(PIXELS[1].T, np.eye(4)), root / "p1/flair/9.nii")
    with pytest.raises(DataError, match=r"9\.nii: orientation RAS, but .*006\.png has LPS; set the correct one"):
        opened(root)
    assert flair(root, orientation="LPS").array.shape == (COLUMNS, ROWS, DEPTH + 1)


def test_without_spacing_it_says_what_to_add(root, case):
    with pytest.raises(DataError, match=r"folder: the spacing of the slices is unknown; add spacing = \[x, y, z\]"):
        Folder(root, images=FLAIR).subjects()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"spacing": [1.0, 1.0]}, "spacing"),
        ({"spacing": [1.0, 0.0, 1.0]}, "spacing.1: must be greater than 0"),
        ({"spacing": [1.0, 1.0, float("inf")]}, "spacing.2: must be a finite number"),
        ({"orientation": "LRS"}, "orientation: three letters are needed, one of L and R"),
        ({"orientation": "lps"}, "orientation: three letters are needed"),
        ({"channels": {"flare": 1}}, "did you mean 'flair'"),
        ({"label": "{id}/seg.nii"}, r"pattern '\{id\}/seg.nii' has no \{slice\}, but others do"),
        ({"images": {"flair": "{id}.png"}}, r"pattern '\{id\}.png' matches 2-D images; add"),
        ({"images": {"flair": "{id}.nii"}}, r"describe slices, but no pattern has \{slice\}"),
        ({"images": {"../flair": "{id}/flair/{slice}.png"}}, "modality '../flair' cannot be a file name"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(root, case, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        opened(root, **options)


def png(ihdr, rows):
    """A PNG file of raw rows: width, height, bits and colour type as given."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *ihdr, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
