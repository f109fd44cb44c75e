"""What the browser gets: slices turned as radiologists look, and counts that give exact Dice."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from uad_bench.output.report.building import _script_json, write_report
from uad_bench.output.report.pictures import pack, turn
from uad_bench.runs.tables import read_patients


def unpack(text, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def payload_of(runs, data, folder):
    write_report(runs, folder / "r.html", data=data, images=True)
    text = (folder / "r.html").read_text()
    return json.loads(re.search(r'id="payload">(.*?)</script>', text, re.DOTALL)[1])


def scale_of(payload, case, method):
    return payload["scales"][case["scale"]]["methods"][method]


@pytest.fixture(scope="module")
def payload(seen_runs, tiny_data, tmp_path_factory):
    return payload_of(seen_runs, tiny_data, tmp_path_factory.mktemp("seen-page"))


@pytest.fixture(scope="module")
def folded_payload(folded_runs, tiny_data, tmp_path_factory):
    return payload_of(folded_runs, tiny_data, tmp_path_factory.mktemp("folded-page"))


def test_the_patients_right_and_front_come_out_left_and_on_top():
    volume = np.zeros((4, 3, 2), np.uint8)
    volume[3, 2, 1] = 9  # rightmost, most anterior, upper slice in RAS+
    turned = turn(volume)
    assert turned.shape == (2, 3, 4)
    assert np.argwhere(turned).tolist() == [[1, 0, 0]]


def test_packed_arrays_come_back_little_endian():
    array = np.arange(6, dtype=">u4").reshape(2, 3)
    assert unpack(pack(array), "<u4").tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["plain", "folded"])
def test_the_slider_at_a_policy_gives_the_patients_recorded_dice(kind, request):
    runs = request.getfixturevalue("seen_runs" if kind == "plain" else "folded_runs")
    payload = request.getfixturevalue("payload" if kind == "plain" else "folded_payload")
    by_name = {run.read_record().method.name: run for run in runs}
    for m, method in enumerate(payload["methods"]):
        recorded = read_patients(by_name[method["name"]])
        for case in payload["cases"]:
            level = scale_of(payload, case, m)["policies"]["hFPR5"]
            counts = unpack(case["counts"][m], "<u4").reshape(-1, 2, 256)[-1].astype(int)
            found = 2 * counts[1, level:].sum() / (counts[1].sum() + counts[0, level:].sum())
            expected = recorded.values["dice@hFPR5"][recorded.names.index(case["name"])]
            assert found == pytest.approx(expected, abs=1e-9)


def test_a_patient_has_the_thresholds_of_the_fold_that_tested_them(folded_payload, folded_runs):
    by_name = {run.read_record().method.name: run for run in folded_runs}
    assert {scale["fold"] for scale in folded_payload["scales"]} == {"fold0", "fold1"}
    for case in folded_payload["cases"]:
        for m, method in enumerate(folded_payload["methods"]):
            records = [fold.read_record() for fold in by_name[method["name"]].folds]
            (record,) = [record for record in records if case["name"] in record.subjects.test]
            scale = scale_of(folded_payload, case, m)
            shown = scale["thresholds"][scale["policies"]["hFPR5"] - 1]
            assert shown == pytest.approx(record.thresholds["hFPR5"], rel=1e-4)


def test_a_run_without_folds_has_one_scale_without_a_name(payload):
    assert [scale["fold"] for scale in payload["scales"]] == [""]


def test_slices_hold_as_many_pixels_as_they_say(payload):
    for case in payload["cases"]:
        size = len(case["slices"]) * case["width"] * case["height"]
        layers = [case["image"], case["anomaly"], *case["levels"]]
        assert {unpack(layer, np.uint8).size for layer in layers} == {size}
        assert unpack(case["anomaly"], np.uint8).any()


def test_a_patients_name_cannot_end_the_script():
    text = str(_script_json({"name": "</script><b>&\u2028"}))
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {"name": "</script><b>&\u2028"}
