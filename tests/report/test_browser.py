"""The page in a real browser: it draws, the threshold moves the Dice, and nothing complains."""

import re
import subprocess

import pytest

from uad_bench.report.building import write_report


@pytest.fixture
def load(chromium, seen_runs, tiny_data, tmp_path):
    """Function from a place in the page to its drawn DOM and what the console said."""
    write_report(seen_runs, tmp_path / "report.html", data=tiny_data, images=True)

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


def test_another_method_and_slice_can_be_linked_to(load):
    dom, complaints = load("#case=1&method=1&slice=0")
    assert complaints == []
    assert "(1/" in re.search(r'id="slice-name"[^>]*>([^<]*)<', dom)[1]
    assert re.search(r'id="scored-caption">([^<]*)<', dom)[1] == re.findall(r'<option value="1">([^<]*)<', dom)[-1]
