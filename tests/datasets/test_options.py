"""Options of a dataset have the types that its constructor declares."""

from dataclasses import replace

import pytest

from uad_bench.config import load_task
from uad_bench.data.cohort import open_dataset
from uad_bench.errors import ConfigError


def opened(tmp_path, dataset, **options):
    return open_dataset(replace(load_task("brats"), dataset=dataset, options=options), tmp_path, report=print)


@pytest.mark.parametrize(
    ("dataset", "options", "sentence"),
    [
        ("brats", {"resection_cavitty": False}, "unknown key 'resection_cavitty'; did you mean 'resection_cavity'"),
        ("brats", {"x": 1}, "task brats, options: unknown key 'x'; known: resection_cavity"),
        ("bids", {"keep": "MNI"}, "options: keep: must be a table"),
        ("bids", {"healthy": "perhaps"}, "options: healthy: must be true or false"),
        ("cohort", {"train": {}}, "options: test is missing"),
    ],
)
def test_an_option_that_is_unknown_or_of_another_type_is_refused(tmp_path, dataset, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        opened(tmp_path, dataset, **options)


def test_a_quoted_false_is_false(tmp_path):
    assert opened(tmp_path, "bids", healthy="false").healthy is False
