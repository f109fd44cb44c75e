"""Sensitivity within each label value of the reference."""

from pathlib import Path

import numpy as np
import pytest

from tests.scored import lesion_of, reference_of
from tests.tiny_bench import save
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.label_values import sensitivity_by_label
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.output.tables import label_sheet
from uad_bench.runs.metric_rows import MetricRow

NAMES = ("P0", "P1", "P2")
THRESHOLDS = {"hFPR5": Threshold("hFPR5", 0.5), "hFPR1": Threshold("hFPR1", np.nan, undefined="no_val")}


def parts_of(number: int) -> np.ndarray:
    """A core with the label 1 in the lower slice of the lesion, and a rim with the label 4 in the upper one."""
    label = lesion_of(number).astype(np.uint8)
    label[:, :, 3] *= 4
    return label


def found(folder: Path, *, parts: bool = True) -> list[MetricRow]:
    """Rows of a map that marks the whole core, and half of the rim of the first patient."""
    maps = {name: (parts_of(i) == 1).astype(np.float32) for i, name in enumerate(NAMES)}
    maps["P0"][3:6, 4:6, 3] = 1
    subjects = {}
    for i, name in enumerate(NAMES):
        save(folder / f"{name}.nii.gz", parts_of(i) if parts else np.minimum(parts_of(i), 1))
        subjects[name] = Subject(name, {}, label=ImageFile(folder / f"{name}.nii.gz"))
    cases = Cases(
        references={name: reference_of(i) for i, name in enumerate(NAMES)},
        read=maps.__getitem__,
        protocol=load_protocol("volume"),
    )
    return [e.metric for e in sensitivity_by_label(cases, subjects, NAMES, THRESHOLDS)]


def test_each_value_has_the_share_of_its_own_voxels_that_is_marked(tmp_path: Path):
    core, rim = found(tmp_path)
    rims = sum(int((parts_of(i) == 4).sum()) for i in range(3))
    assert (core.group, core.name, core.policy, core.value) == ("label=1", "sensitivity", "hFPR5", 1)
    assert (rim.group, rim.value) == ("label=4", pytest.approx(6 / rims))
    assert 0 < rim.low < rim.value
    assert rim.low < rim.value < rim.high


def test_a_reference_with_one_value_has_no_parts(tmp_path: Path):
    assert found(tmp_path, parts=False) == []


def test_the_table_has_a_column_per_value_and_a_row_per_method(tmp_path: Path):
    sheet = label_sheet({"ae": found(tmp_path), "none": []})
    assert sheet is not None
    assert [column.heading for column in sheet.columns] == ["method", "label 1 [95 % CI]", "label 4 [95 % CI]"]
    assert [row[0].text for row in sheet.rows] == ["ae"]
    assert label_sheet({"none": []}) is None
