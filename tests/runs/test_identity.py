"""What defines a run names its folder; what does not, does not; and a new run says what is new about it."""

from dataclasses import replace

import pytest

from tests.tiny_bench import TinyBench, result_files, write_method
from uad_bench.benchmark.recording import _cohort_warnings, _task
from uad_bench.data.cohort import Cohort
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError
from uad_bench.execution.job import Job
from uad_bench.files import write_json
from uad_bench.runs.identity import changes_since, identify, run_of, was_finished
from uad_bench.runs.reopen import open_stored
from uad_bench.verification.claims import check_claims


def test_every_part_of_the_request_the_data_and_the_source_changes_the_folder(tiny: TinyBench):
    entry = tiny.write("method")
    experiment = tiny.experiment("method")
    folders = [tiny.runner.plan(experiment, entry, tiny.cohort).run]
    folders += [tiny.folder_of(entry, seed=1), tiny.folder_of(entry, settings=("scale=2.0",))]
    cohorts = [replace(tiny.cohort, digest="other"), replace(tiny.cohort, task=replace(tiny.cohort.task, margin=1))]
    folders += [tiny.runner.plan(experiment, entry, cohort).run for cohort in cohorts]
    folders.append(tiny.folder_of(tiny.write("method", score="return batch.image[:, 0] * 2")))
    assert len({run.path for run in folders}) == 6


def test_neither_where_the_plugin_lies_nor_the_summary_of_the_task_changes_it(tiny: TinyBench):
    entries = [write_method(tiny.folder / place, "method") for place in ("here", "there")]
    cohorts = [tiny.cohort, replace(tiny.cohort, task=replace(tiny.cohort.task, summary="reworded"))]
    experiment = tiny.experiment("method")
    folders = {tiny.runner.plan(experiment, e, c).run.path for e, c in zip(entries, cohorts, strict=True)}
    assert len(folders) == 1


def with_task(tiny: TinyBench, **changes) -> Job:
    cohort = replace(tiny.cohort, task=replace(tiny.cohort.task, **changes))
    return tiny.runner.plan(tiny.experiment("method"), tiny.write("method"), cohort)


@pytest.mark.parametrize("changed", [{}, {"centre": "image"}, {"resample": "adaptive"}])
def test_later_settings_of_slices_are_part_of_a_run_and_its_record_only_where_they_are_changed(tiny, changed):
    job = with_task(tiny, **changed)
    for noted in (job.identity["task"], _task(job).to_json()):
        assert {key: noted[key] for key in ("centre", "resample") if key in noted} == changed


def test_a_record_warns_of_brains_wider_than_the_field_of_view_of_the_task(tiny: TinyBench):
    kinds = [{w.kind for w in _cohort_warnings(with_task(tiny, field_of_view=side))} for side in (500.0, 2.0)]
    assert kinds[1] - kinds[0] == {"cut_brain"}


def protocol_at(folder, *, region: str, summary: str = "") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "p.toml").write_text(f'region = "{region}"\nsummary = "{summary}"\n')
    return str(folder / "p.toml")


def under(tiny: TinyBench, protocol: str):
    cohort = replace(tiny.cohort, task=replace(tiny.cohort.task, protocol=protocol))
    return tiny.runner.plan(tiny.experiment("method"), tiny.write("method"), cohort)


def test_a_protocol_file_counts_by_what_it_says_wherever_it_lies(tiny: TinyBench, tmp_path):
    first = under(tiny, protocol_at(tmp_path / "a", region="brain"))
    moved = under(tiny, protocol_at(tmp_path / "b", region="brain", summary="reworded"))
    edited = under(tiny, protocol_at(tmp_path / "a", region="all"))
    assert first.run.path == moved.run.path
    assert edited.run.path != first.run.path
    assert first.identity["protocol"] == digest_json({"region": "brain"})


def test_a_shipped_protocol_adds_nothing_to_what_names_a_run(tiny: TinyBench):
    job = under(tiny, "volume")
    assert "protocol" not in job.identity
    assert job.run.path.name == f"seed0-{digest_json(job.identity)[:8]}"


def test_a_run_whose_protocol_file_was_edited_is_not_opened_again(quick: TinyBench, tmp_path, tiny_data):
    job = under(quick, protocol_at(tmp_path / "a", region="brain"))
    record = quick.runner.run(job)
    assert (record.status, record.task.protocol_digest) == ("ok", digest_json({"region": "brain"}))
    assert list(check_claims(job.run, record)) == []
    protocol_at(tmp_path / "a", region="all")
    with pytest.raises(ConfigError, match=r"p\.toml has changed since the run"):
        open_stored(job.run, tiny_data, lambda _: None)


def test_a_run_with_one_field_changed_is_a_new_one_that_says_what_changed_and_mixes_nothing(quick: TinyBench):
    entry = quick.write("method")
    quick.run(entry)
    before = result_files(quick.folder_of(entry))
    changed = quick.plan(entry, settings=("scale=2.0",))
    assert changes_since(changed.run, changed.identity) == "params.scale None -> 2.0"
    quick.run(entry, settings=("scale=2.0",))
    assert result_files(quick.folder_of(entry)) == before


def test_the_nearest_of_several_other_runs_is_compared_with(tiny: TinyBench):
    identity = {"method": "m", "seed": 0, "task": {"name": "t", "size": 8}, "params": {"a": 1, "b": (2, 3)}}
    for stored in ({**identity, "params": {"a": 9, "b": 9}}, {**identity, "task": {"name": "t", "size": 16}}):
        write_json(run_of(tiny.folder, stored).create().experiment, stored)
    assert changes_since(run_of(tiny.folder, identity), identity) == "task.size 16 -> 8"


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, "; and 1 more")])
def test_five_changes_are_named_and_further_ones_are_counted(tmp_path, count, more):
    old, new = (
        {"method": "m", "seed": 0, "task": {"name": "t"}, "params": dict.fromkeys("abcdef"[:count], v)} for v in (1, 2)
    )
    write_json(run_of(tmp_path, old).create().experiment, old)
    named = "; ".join(f"params.{key} 1 -> 2" for key in "abcde")
    assert changes_since(run_of(tmp_path, new), new) == named + more


def test_a_run_was_finished_only_with_the_same_settings(tmp_path):
    settings = {"method": "m", "seed": 0, "task": {"name": "t", "slices": (0, 9)}, "params": {"a": 1}}
    run = run_of(tmp_path, settings).create()
    write_json(run.experiment, {**settings, "data": "d"})
    assert not was_finished(tmp_path, settings)
    run.done.touch()
    assert was_finished(tmp_path, settings)
    assert not was_finished(tmp_path, {**settings, "params": {"a": 2}})
    assert not was_finished(tmp_path, {**settings, "seed": 1})


def test_every_fold_is_part_of_what_names_a_run(tiny: TinyBench):
    folds = replace(tiny.cohort, splits=tiny.cohort.splits * 2)
    identity = identify(tiny.experiment("method"), tiny.write("method"), folds)
    assert identity["splits"] == [tiny.cohort.splits[0].digest] * 2


def test_without_another_run_there_is_nothing_to_say(tiny: TinyBench):
    job = tiny.plan(tiny.write("first"))
    assert changes_since(job.run, job.identity) == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_a_setting_that_has_no_json_form_is_refused(tiny_cohort: Cohort, tiny: TinyBench, value: object):
    entry = tiny.write("method")
    identity = identify(replace(tiny.experiment("method"), params={"scale": value}), entry, tiny_cohort)
    with pytest.raises(ConfigError, match="method method: a setting cannot be recorded"):
        run_of(tiny.folder, identity)


def test_a_precision_other_than_the_default_names_another_run(tiny: TinyBench):
    entry, experiment = tiny.write("method"), tiny.experiment("method")
    plain, exact = (
        tiny.runner.plan(replace(experiment, precision=precision), entry, tiny.cohort)
        for precision in ("auto", "float32")
    )
    assert plain.run.path != exact.run.path
    assert [job.identity.get("precision") for job in (plain, exact)] == [None, "float32"]
