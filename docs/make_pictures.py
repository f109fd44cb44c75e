"""Make docs/report.png, the case browser of the HTML report on the phantom. Needs Chromium.

python docs/make_pictures.py
"""

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

import uad_bench

PICTURE = Path(__file__).with_name("report.png")
SIZE = (1100, 600)
SHOWN = "case=2&method=0"
METHODS = ("intensity-coarse", "symmetry")
HIDDEN = "nav, header, footer, section:not(#cases), #cases > h2, #cases > p"
STYLE = f"<style>{HIDDEN} {{ display: none }} section {{ margin: 0 }}</style></head>"
CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)


def make_picture(folder: Path) -> None:
    """Run two baselines on the phantom with seed 0, report them, and take the picture."""
    runs = folder / "runs"
    results = [uad_bench.run(method, task="phantom", seed=0, baselines=False, runs=runs) for method in METHODS]
    page = folder / "report.html"
    uad_bench.report(*results, output=page, runs=runs)
    page.write_text(page.read_text(encoding="utf-8").replace("</head>", STYLE), encoding="utf-8")
    shot = folder / "shot.png"
    window = (f"--user-data-dir={folder / 'browser'}", f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}")
    subprocess.run([*CHROMIUM, *window, f"{page.as_uri()}#{SHOWN}"], check=True)
    Image.open(shot).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        make_picture(Path(name))
