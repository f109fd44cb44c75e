"""Write the results table into README.md and docs/results.md: python docs/results_table.py.

The numbers are read from the shipped leaderboards, and the papers from the configurations of the methods.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/results.md")
BOARDS = {"Phantom, FLAIR": "phantom", "BraTS (12 cases), FLAIR": "brats", "BraTS (12 cases), T2": "brats-t2"}
MARKED = re.compile(r"(?<=docs/results_table\.py -->\n).*?(?=<!-- end of results -->)", re.DOTALL)
ROW = re.compile(r"^\| [\d–]+ \| (\S+) \| (\d\.\d+) \\\[(\d\.\d+), (\d\.\d+)\\\] \|", re.MULTILINE)
OWN = {"synthetic-unet", "translate"}  # of this project; their configurations name the papers of the idea
PAGE_OF = {
    "MIDL 2022": "https://proceedings.mlr.press/v172/kascenas22a.html",
    "CVPRW 2022": "https://openaccess.thecvf.com/content/CVPR2022W/NTIRE/html/"
    "Wyatt_AnoDDPM_Anomaly_Detection_With_Denoising_Diffusion_Probabilistic_Models_Using_Simplex_CVPRW_2022_paper.html",
}


def results_table() -> str:
    """The table in Markdown: a column for each leaderboard; methods in the order of the first one that has them."""
    boards = [_auprc(name) for name in BOARDS.values()]
    lines = [f"| method | {' | '.join(BOARDS)} |", "|:---|---:|---:|---:|"]
    lines += [
        f"| {_linked(name)} | {' | '.join(board.get(name, '–') for board in boards)} |"
        for name in dict.fromkeys(name for board in boards for name in board)
    ]
    return "\n".join(lines) + "\n"


def _auprc(board: str) -> dict[str, str]:
    """AUPRC and its interval for each ranked method, raw maps: the first table of a leaderboard's page."""
    page = (ROOT / "leaderboards" / f"{board}.md").read_text(encoding="utf-8")
    first = page.split("\n## ")[1]
    return {name: f"{value} [{low}, {high}]" for name, value, low, high in ROW.findall(first)}


def _linked(name: str) -> str:
    """The method with a link to its paper, if it has one; baselines are marked."""
    about = tomllib.loads((ROOT / "configs/methods" / f"{name}.toml").read_text(encoding="utf-8"))
    arxiv = re.search(r"arXiv (\d{4}\.\d{5})", about["paper"])
    page = f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else PAGE_OF.get(about["paper"].rpartition(", ")[2])
    shown = f"[`{name}`]({page})" if page and name not in OWN else f"`{name}`"
    return f"{shown} (baseline)" if about["family"] == "baseline" else shown


if __name__ == "__main__":
    for name in PAGES:
        page = ROOT / name
        page.write_text(MARKED.sub(lambda _: results_table(), page.read_text(encoding="utf-8")), encoding="utf-8")
