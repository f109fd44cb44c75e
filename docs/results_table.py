"""Write the results table into README.md and docs/results.md: python docs/results_table.py.

The numbers are read from the shipped leaderboards.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/results.md")
BOARDS = {"Phantom, FLAIR": "phantom", "BraTS (12 cases), FLAIR": "brats", "BraTS (12 cases), T2": "brats-t2"}
MARKED = re.compile(r"(?<=docs/results_table\.py -->\n).*?(?=<!-- end of results -->)", re.DOTALL)
ROW = re.compile(r"^\| [\d–]+ \| (\S+) \| (\d\.\d+) \\\[(\d\.\d+), (\d\.\d+)\\\] \|", re.MULTILINE)

PAPERS = {
    "dae": "https://proceedings.mlr.press/v172/kascenas22a.html",
    "mmccd": "https://arxiv.org/abs/2308.16150",
    "intensity-coarse": None,
    "intensity": None,
    "cycle-only": "https://arxiv.org/abs/2308.16150",
    "anoddpm": "https://openaccess.thecvf.com/content/CVPR2022W/NTIRE/html/"
    "Wyatt_AnoDDPM_Anomaly_Detection_With_Denoising_Diffusion_Probabilistic_Models_Using_Simplex_CVPRW_2022_paper.html",
    "ddpm": "https://arxiv.org/abs/2006.11239",
    "vae": "https://arxiv.org/abs/2004.03271",
    "ae": "https://arxiv.org/abs/2004.03271",
}


def results_table() -> str:
    """The table in Markdown: a row for each method, a column for each leaderboard."""
    boards = [_auprc(name) for name in BOARDS.values()]
    lines = [f"| method | {' | '.join(BOARDS)} |", "|:---|---:|---:|---:|"]
    lines += [f"| {_linked(name)} | {' | '.join(board[name] for board in boards)} |" for name in PAPERS]
    return "\n".join(lines) + "\n"


def _auprc(board: str) -> dict[str, str]:
    """AUPRC and its interval for each ranked method, raw maps: the first table of a leaderboard's page."""
    page = (ROOT / "leaderboards" / f"{board}.md").read_text(encoding="utf-8")
    first = page.split("\n## ")[1]
    return {name: f"{value} [{low}, {high}]" for name, value, low, high in ROW.findall(first)}


def _linked(name: str) -> str:
    return f"[`{name}`]({PAPERS[name]})" if PAPERS[name] else f"`{name}` (baseline)"


if __name__ == "__main__":
    for name in PAGES:
        page = ROOT / name
        page.write_text(MARKED.sub(lambda _: results_table(), page.read_text(encoding="utf-8")), encoding="utf-8")
