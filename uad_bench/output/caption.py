"""Captions of tables: data, protocol, statistics and warnings."""

from collections.abc import Sequence

from uad_bench.boards.board import Board
from uad_bench.boards.ranking import LEVEL
from uad_bench.runs.record import METRICS_VERSION, RunRecord

FOLDS = (
    "Each number is the mean over folds; scores of different folds are never pooled, since each fold has its own model."
)
POLICIES = (
    "hFPR5: threshold with 5 % false positives on healthy slices of validation patients; valDice: best Dice on "
    "validation patients (sees lesions); oracle: best Dice on the test patients themselves, never ranked."
)


def caption(board: Board) -> tuple[str, ...]:
    """Sentences under a board."""
    return (*setting(board.record, board.chain), *_ranks(board), POLICIES, *_warnings(board))


def short_caption(board: Board) -> tuple[str, ...]:
    """One sentence for a paper, without digests."""
    record, baseline = board.record, board.best_baseline
    pair = record.task.pair[0].upper()
    against = f"; baselines: compared with {baseline.label}, p adjusted by Holm" if baseline else ""
    data = f"{len(record.subjects.test)} test patients, input {pair}"
    return (f"{data}; brackets: 95 % confidence intervals over patients; ranks: not excluded at p < 0.05{against}.",)


def setting(record: RunRecord, chain: str = "none") -> tuple[str, ...]:
    """Sentences on the data, split and protocol of a record and, with folds, on how metrics are aggregated."""
    task, split = record.task, record.task.split
    counts = f"{len(record.subjects.test)} test and {_validation(record)}{_excluded(record)}"
    note = f" ({split.note})" if split.note else ""
    digests = f"Split {split.name} ({split.digest[:12]}){note}, data {task.data_digest[:12]}"
    pair = f"input {task.pair[0]}, pair {' to '.join(task.pair)}"
    maps = "raw maps" if chain == "none" else f"maps after the {chain} post-processing chain"
    older = f" (this is version {METRICS_VERSION}: standard errors are of a bootstrap, and newer metrics are absent)"
    version = f"metrics version {record.metrics_version}{older * (record.metrics_version != METRICS_VERSION)}"
    return (
        f"Protocol {task.protocol}, region brain, {maps}; {counts}, {_prevalence(record)}.",
        f"{digests}, {pair}, {version}.",
        *([FOLDS] if record.n_folds else []),
    )


def _prevalence(record: RunRecord) -> str:
    """`prevalence 0.0587`, or the reason code if it is undefined."""
    found = record.find("prevalence")
    if found is None or found.value is None:
        return f"prevalence {(found and found.undefined) or 'unknown'}"
    return f"prevalence {found.value:.4f}"


def _validation(record: RunRecord) -> str:
    """Number of validation patients; with folds, in each fold, because they overlap between folds."""
    if not record.n_folds:
        return f"{len(record.subjects.val or ())} validation patients"
    counts = [str(count) for count in dict.fromkeys(sorted(record.fold_validation or ()))]
    return f"{' or '.join(counts) or 'an unknown number of'} validation patients in each of {record.n_folds} folds"


def _excluded(record: RunRecord) -> str:
    excluded = f", {len(record.task.exclude)} excluded" if record.task.exclude else ""
    return f"{excluded}, scans perturbed ({record.task.perturb})" if record.task.perturb else excluded


def _ranks(board: Board) -> list[str]:
    """How ranks were determined; the baseline that methods are compared with, and the adjustment of its p-values."""
    ranks = f"rank ranges contain every rank not excluded at p < {LEVEL} (the same t, Holm over all pairs)"
    after = f"; p adjusted by Holm over the {len(board.ranking.rows) - 1} rows compared"
    if board.ranking.reason:
        ranks, after = f"no ranks: {board.ranking.reason.replace('_', ' ')}", ""
    notes = [f"Confidence intervals: 95 %, Student's t over patients (jackknife), of the mean over seeds; {ranks}."]
    if board.best_baseline:
        strongest = f"{board.best_baseline.label}, the strongest untrained baseline here"
        notes.append(f"Beats baselines? compares with {strongest}{after}.")
    return notes


def _warnings(board: Board) -> Sequence[str]:
    test = len(board.record.subjects.test)
    notes = [f"Test-set reuse: at least {board.looks} evaluated runs."]
    if test < 10:
        notes.append(f"With {test} test patients a difference is significant only if nearly all of them agree.")
    if any(row.deterministic for row in board.rows):
        notes.append("'=': all seeds produced identical score maps.")
    if any(not row.complete for row in board.rows):
        notes.append("Rows with fewer seeds than others are ranked by the seeds they have.")
    if reachable := [row.label for row in board.rows if not row.isolated]:
        notes.append(f"Not isolated from labels by the operating system: {', '.join(reachable)}.")
    if board.left_out:
        notes.append(board.left_out)
    return notes
