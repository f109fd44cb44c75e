"""Methods that are commands: a program in any language reads images from a folder and writes score maps to another.

In `python predict.py {images} {out}`, `{images}` is the folder of patients to score and `{out}` receives
`<patient>.nii.gz` or `<patient>.npy`; `{train}`, if used, is a folder with healthy slices of the training patients.
Images are NIfTI files in RAS+ at native resolution, without labels.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.config import validate
from uad_bench.data.gate import training_manifest
from uad_bench.data.subject import Subject
from uad_bench.data.volume import Affine, PatientReader, Volume
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, DataError, MethodError, ResourceError, unknown
from uad_bench.evaluation.score_files import find_maps, read_score_map
from uad_bench.execution.access import AccessPolicy
from uad_bench.execution.isolation import LOG_LIMIT, Limits
from uad_bench.execution.job import Job
from uad_bench.execution.processes import end_group, group_rss_mib
from uad_bench.execution.sandbox import Sandbox, isolation_available
from uad_bench.files import storage_error, write_json
from uad_bench.method import Modality
from uad_bench.plugins.registry import Entry
from uad_bench.runs.checkpoints import save_checkpoint
from uad_bench.runs.document import hide_paths
from uad_bench.runs.events import Advance, Described, Event, Fitted, Isolated, Scored
from uad_bench.runs.score_maps import save_map

PLACES = ("images", "out", "train")
VALUES = ("seed", "steps", "batch_size", "device")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
POLL_S = 0.25

Note = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """Settings of a command, given with `--set`.

    Attributes:
        score: modalities of the patients to score; by default the first of the task's pair.
        fit: modalities of the training patients; by default the task's pair.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic reads it from the class

    score: tuple[Modality, ...] = ()
    fit: tuple[Modality, ...] = ()


def command_entry(text: str, name: str) -> Entry:
    """An entry for a command as typed; it is split into words as by a shell, but run without one.

    Raises:
        ConfigError: a placeholder is unknown or missing, or the program is not found.
    """
    words = _split(text)
    named = set(PLACEHOLDER.findall(text))
    for placeholder in sorted(named - {*PLACES, *VALUES}):
        raise unknown("placeholder in --command", placeholder, (*PLACES, *VALUES))
    if missing := [place for place in ("images", "out") if place not in named]:
        raise ConfigError(f"--command needs {{{missing[0]}}}; for instance: python predict.py {{images}} {{out}}")
    if shutil.which(words[0]) is None:
        raise ConfigError(f"--command: the program {words[0]!r} is not found")
    return Entry(name, text, command=words)


def run_command(job: Job, left: Sequence[str], *, access: AccessPolicy, limits: Limits, note: Note) -> Described:
    """Run the command for the patients in `left` and store its maps; returns its description.

    Raises:
        MethodError: the command fails, exceeds a limit, or leaves no valid map of a patient.
    """
    needs = describe_command(job)
    note(needs)
    folder = job.run.path / "exchange"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _hand_out(folder, job, needs, left, note)
        with _sandbox(job, access) as sandbox:
            note(Isolated(kind=sandbox.isolation))
            seconds, peak = _execute(
                sandbox, _words(job, folder), job.run.log, limits, lambda: note(_progress(folder, left))
            )
        _collect(folder / "out", job, left, note, seconds=seconds, peak_rss_mib=peak)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return needs


def describe_command(job: Job) -> Described:
    """Modalities that the command is given, and what identifies it."""
    task, name = job.cohort.task, job.experiment.method
    settings = validate(CommandSettings, job.experiment.params, f"method {name}")
    learns = any("{train}" in word for word in job.entry.command)
    chosen = {"fit": settings.fit or task.pair if learns else (), "score": settings.score or task.pair[:1]}
    for modality in (*chosen["fit"], *chosen["score"]):
        if modality not in task.modalities:
            raise unknown(f"modality of task {task.name}", modality, task.modalities)
    files = [path for path in map(Path, job.entry.command) if path.is_file()]
    return Described(
        fit=chosen["fit"],
        score=chosen["score"],
        native=True,
        params={"command": hide_paths(job.entry.target), "files": {path.name: digest_file(path) for path in files}},
        deterministic=False,
    )


def _split(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"--command {text!r}: {error}") from error


def _hand_out(folder: Path, job: Job, needs: Described, left: Sequence[str], note: Note) -> None:
    (folder / "out").mkdir(parents=True)
    subjects = job.cohort.subjects
    for done, name in enumerate(left, 1):
        for modality, volume in _read_volumes(subjects[name], needs.score).items():
            _write_image(_image_path(folder / "images", name, modality), volume.array, volume.affine)
        note(Advance(stage="writing images", step=done, total=len(left)))
    if needs.fit:
        healthy = job.cohort.train_slices(job.split)
        _write_training(folder / "train", [subjects[name] for name in healthy], needs.fit, healthy)


def _write_training(
    folder: Path, subjects: Sequence[Subject], modalities: Sequence[Modality], healthy: Mapping[str, Sequence[int]]
) -> None:
    """Write training patients with slices that are not healthy set to 0, and `healthy_slices.json`."""
    for subject in subjects:
        for modality, volume in _read_volumes(subject, modalities).items():
            keep = np.isin(np.arange(volume.array.shape[2]), list(healthy[subject.id]))
            _write_image(_image_path(folder, subject.id, modality), volume.array * keep, volume.affine)
    write_json(folder / "healthy_slices.json", {name: list(slices) for name, slices in healthy.items()})


def _read_volumes(subject: Subject, modalities: Sequence[Modality]) -> dict[Modality, Volume]:
    reader = PatientReader()
    return {modality: reader.read(subject.images[modality]) for modality in modalities}


def _image_path(folder: Path, patient: str, modality: Modality) -> Path:
    return folder / patient / f"{patient}_{modality}.nii.gz"


def _write_image(path: Path, array: NDArray[Any], affine: Affine) -> None:
    """Write a scan as float32."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    image: Any = nibabel.Nifti1Image(np.asarray(array, np.float32), affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, path)


def _words(job: Job, folder: Path) -> list[str]:
    budget = job.cohort.task.budget
    values = {place: str(folder.resolve() / place) for place in PLACES}
    values |= {"seed": str(job.experiment.seed), "device": job.device}
    values |= {"steps": str(budget.steps), "batch_size": str(budget.batch_size)}
    return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in job.entry.command]


@contextlib.contextmanager
def _sandbox(job: Job, access: AccessPolicy) -> Iterator[Sandbox]:
    """The command's sandbox, in which the files named in the command are readable."""
    files = {str(Path(word).resolve()) for word in job.entry.command if Path(word).is_file()}
    sandbox = Sandbox(replace(access, read_only=access.read_only | files), isolation_available())
    try:
        yield sandbox
    finally:
        sandbox.close()


def _execute(
    sandbox: Sandbox, words: list[str], log: Path, limits: Limits, watch: Callable[[], None]
) -> tuple[float, float]:
    """Run the command until it ends or exceeds a limit; returns seconds, and its group's peak memory in MiB."""
    started, peak = time.perf_counter(), 0.0
    try:
        process = sandbox.start(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise ResourceError(f"{words[0]} cannot be started: {error.strerror}") from error
    assert process.stdout is not None
    printed = threading.Thread(target=_keep, args=(process.stdout, log), daemon=True)
    printed.start()
    try:
        while _running(process):
            peak = max(peak, group_rss_mib(process.pid))
            limits.check(time.perf_counter() - started, peak)
            watch()
    finally:
        end_group(process)
        printed.join(POLL_S)
        if not printed.is_alive():  # else a process that left the group still has the pipe open
            process.stdout.close()
    if process.returncode:
        raise MethodError(f"the command {_ending(process.returncode, log)}", reason="crash")
    return time.perf_counter() - started, peak


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _keep(printed: IO[bytes], log: Path) -> None:
    """Log the first MiB of output, and read the rest so that the command never blocks."""
    written = 0
    with log.open("wb") as file:
        for line in printed:
            file.write(line[: max(0, LOG_LIMIT - written)])
            file.flush()
            written += len(line)


def _ending(code: int, log: Path) -> str:
    """How the command ended, with its last line of output."""
    last = log.read_text(errors="replace").strip().rpartition("\n")[2][:300] if log.exists() else ""
    how = f"was terminated by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{how}: {last}" if last else how


def _progress(folder: Path, left: Sequence[str]) -> Advance:
    done = sum(1 for _ in (folder / "out").iterdir())
    return Advance(stage="running the command", step=min(done, len(left)), total=len(left))


def _collect(out: Path, job: Job, left: Sequence[str], note: Note, *, seconds: float, peak_rss_mib: float) -> None:
    """Check, store and log every map; the checkpoint is empty, since a command keeps no weights here."""
    maps = _read_maps(out, job, left)
    train = training_manifest(job.split, job.cohort.census) if "{train}" in job.entry.target else {}
    digest = save_checkpoint(job.run.checkpoint, {}, training_set=train)
    note(Fitted(parameters=None, network_calls_per_slice=None, checkpoint=digest))
    for name, score_map in maps.items():
        slices, each = len(job.cohort.scored_slices(name)), seconds / len(maps)
        stored = dict(save_map(job.run.map(name), score_map))
        note(Scored(subject=name, slices=slices, **stored, seconds=each, peak_rss_mib=peak_rss_mib))


def _read_maps(out: Path, job: Job, left: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    try:
        found = find_maps(out)
    except DataError as error:
        raise MethodError("the command left no map in {out}", reason="bad_output") from error
    if missing := [name for name in left if name not in found]:
        raise MethodError(f"the command left no map {missing[0]}.nii.gz in {{out}}", reason="bad_output")
    return {name: read_score_map(found[name][0], job.cohort.census[name]) for name in left}
