"""What the browser gets: slices turned as radiologists look, and counts that give exact Dice."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from uad_bench.report.building import _script_json, write_report
from uad_bench.report.pictures import _turn, pack


def unpack(text, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


@pytest.fixture
def payload(seen_runs, tiny_data, tmp_path):
    write_report(seen_runs, tmp_path / "r.html", data=tiny_data, images=True)
    text = (tmp_path / "r.html").read_text()
    return json.loads(re.search(r'id="payload">(.*?)</script>', text, re.DOTALL)[1])


def test_the_patients_right_and_front_come_out_left_and_on_top():
    volume = np.zeros((4, 3, 2), np.uint8)
    volume[3, 2, 1] = 9  # rightmost, most anterior, upper slice in RAS+
    turned = _turn(volume)
    assert turned.shape == (2, 3, 4)
    assert np.argwhere(turned).tolist() == [[1, 0, 0]]


def test_packed_arrays_come_back_little_endian():
    array = np.arange(6, dtype=">u4").reshape(2, 3)
    assert unpack(pack(array), "<u4").tolist() == [0, 1, 2, 3, 4, 5]


def test_the_slider_at_a_policy_gives_the_patients_recorded_dice(payload, seen_runs):
    from uad_bench.storage.run_tables import read_patients

    for m, run in enumerate(seen_runs):
        name = payload["methods"][m]["name"]
        run = next(r for r in seen_runs if r.read_record()["method"]["name"] == name)
        recorded = read_patients(run)
        level = payload["methods"][m]["policies"]["hFPR5"]
        for case in payload["cases"]:
            counts = unpack(case["counts"][m], "<u4").reshape(-1, 2, 256)[-1].astype(int)
            found = 2 * counts[1, level:].sum() / (counts[1].sum() + counts[0, level:].sum())
            expected = recorded.values["dice@hFPR5"][recorded.names.index(case["name"])]
            assert found == pytest.approx(expected, abs=1e-9)


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
