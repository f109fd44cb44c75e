"""A tiny cohort and a few small patients, made once for all tests of the phantom."""

import shutil

import pytest

from uad_bench.datasets.phantom import Phantom
from uad_bench.datasets.phantom.patient import lesion_kind, make_patient


@pytest.fixture(scope="session")
def tiny(cache, tmp_path_factory):
    """`phantom-tiny` on disk: a copy of the session's."""
    made = Phantom(cache / "datasets", variant="phantom-tiny")
    made.subjects()
    copy = tmp_path_factory.mktemp("phantom")
    shutil.copytree(made.folder, copy / made.folder.name)
    return Phantom(copy, variant="phantom-tiny")


@pytest.fixture(scope="session")
def patients():
    """The first patient of each kind of the default variant, by kind."""
    first = {}
    for index in range(40):
        first.setdefault(lesion_kind("phantom", 0, index), index)
    return {kind: make_patient("phantom", 0, index) for kind, index in first.items()}
