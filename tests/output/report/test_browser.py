"""The page in a real browser: it draws, the threshold moves the Dice, and nothing complains."""

import json
import re
import subprocess
from html import unescape

import pytest

from uad_bench.output.report.building import write_report

ACTS = """<script>(async () => {
  const byId = (id) => document.getElementById(id), told = [];
  const act = async (deed) => {
    deed();
    await new Promise((done) => setTimeout(done, 300));
    const pressed = byId("threshold").value, words = (id) => byId(id).textContent;
    told.push([words("pooled-name"), words("threshold-name"), words("dice-patient"), words("dice-pooled"), pressed]);
  };
  const press = (name) => [...byId("policies").children].find((one) => one.textContent === name).click();
  const enter = (id, kind, value) => { byId(id).value = value; byId(id).dispatchEvent(new Event(kind)); };
  await act(() => press("hFPR1"));
  await act(() => enter("case", "change", 2));
  await act(() => press("hFPR1"));
  await act(() => enter("threshold", "input", 1));
  await act(() => enter("method", "change", 1));
  document.body.dataset.told = JSON.stringify(told);
})();</script>"""
"""A visitor: presses a policy, goes to a patient of the other fold, moves the slider, changes the method."""


@pytest.fixture
def load(chromium, seen_runs, tiny_data, tmp_path):
    """Function from a place in the page to its drawn DOM and what the console said."""
    write_report(seen_runs, tmp_path / "report.html", data=tiny_data, images=True)
    return loader(chromium, tmp_path)


def loader(chromium, tmp_path):
    def run(place):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        address = (tmp_path / "report.html").as_uri() + place
        command = [*chromium, profile, "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", address]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


def dice(dom):
    return [re.search(rf'id="dice-{name}">([^<]*)<', dom)[1] for name in ("slice", "patient", "pooled")]


def test_the_browser_draws_and_the_threshold_moves_the_dice(load):
    low, complaints = load("#level=1")
    high, more = load("#level=200")
    assert complaints + more == []
    assert 'data-ready="yes"' in low
    assert re.search(r'<canvas id="scored"[^>]*width="\d{3}', low)
    assert re.search(r"slice \d+: \S+ at threshold \S+; Dice of the slice", low)
    assert dice(low) != dice(high)
    assert all(re.fullmatch(r"[01]\.\d{3}|no lesion", text) for text in (*dice(low), *dice(high)))


@pytest.mark.slow
def test_another_method_and_slice_can_be_linked_to(load):
    dom, complaints = load("#case=1&method=1&slice=0")
    assert complaints == []
    assert "(1/" in re.search(r'id="slice-name"[^>]*>([^<]*)<', dom)[1]
    assert re.search(r'id="scored-caption">([^<]*)<', dom)[1] == re.findall(r'<option value="1">([^<]*)<', dom)[-1]


@pytest.mark.slow
def test_going_to_a_patient_of_another_fold_keeps_the_policy_and_takes_the_folds_threshold(
    chromium, folded_runs, tiny_data, tmp_path
):
    write_report(folded_runs, tmp_path / "report.html", data=tiny_data, images=True)
    text = (tmp_path / "report.html").read_text()
    (tmp_path / "report.html").write_text(text.replace("</body>", ACTS + "</body>"))
    dom, complaints = loader(chromium, tmp_path)("#case=0")
    assert complaints == []
    first, moved, pressed, lowest, other = json.loads(unescape(re.search(r'data-told="([^"]*)"', dom)[1]))
    assert (first[0], moved[0]) == ("test set of fold1", "test set of fold0")
    assert moved == pressed  # the policy was kept
    assert moved[1] != first[1]
    assert moved[2:4] != first[2:4]
    assert lowest[2:4] != moved[2:4]
    assert other[0] == "test set of fold0"
    assert abs(share_marked(other) - share_marked(lowest)) < 3  # no policy stood there; scores have no common scale
    assert share_marked(lowest) > 20


def share_marked(told):
    """Percent of the healthy voxels, as the page says it."""
    return float(re.search(r"marks (\S+) %", told[1])[1])
