"""Scans whose bytes were changed anywhere: read, or refused in one sentence that names the file, in bounded memory."""

import gzip
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uad_bench.data.nifti import HEADER_BYTES, read_grid, read_nifti
from uad_bench.errors import DataError

ARRAY = np.random.default_rng(0).integers(0, 3000, (6, 7, 5)).astype(np.int16)
CHANGES = st.lists(st.tuples(st.integers(0, HEADER_BYTES), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)


def read_or_refuse(path: Path) -> None:
    for read in (read_nifti, read_grid):
        try:
            read(path)
        except DataError as error:
            assert path.name in str(error)  # noqa: PT017 - the other way to end is to return


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, packed=st.booleans())
def test_a_header_with_any_bytes_changed_is_read_or_refused_by_name(
    tmp_path: Path, kind: type, changes: list[tuple[int, bytes]], packed: bool
):
    data = bytearray(kind(ARRAY, np.eye(4)).to_bytes())
    for place, piece in changes:
        data[place : place + len(piece)] = piece
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(data, 1) if packed else data)
    tracemalloc.start()
    read_or_refuse(tmp_path / "scan.nii.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), piece=st.binary(max_size=8), cut=st.booleans())
def test_a_packed_scan_with_any_bytes_changed_or_cut_is_read_or_refused_by_name(
    tmp_path: Path, place: float, piece: bytes, cut: bool
):
    data = gzip.compress(nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes(), 1)
    at = int(place * len(data))
    (tmp_path / "scan.nii.gz").write_bytes(data[:at] + piece + (b"" if cut else data[at + len(piece) :]))
    read_or_refuse(tmp_path / "scan.nii.gz")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=600))
def test_any_bytes_at_all_are_refused_by_name(tmp_path: Path, data: bytes):
    (tmp_path / "scan.nii").write_bytes(data)
    read_or_refuse(tmp_path / "scan.nii")
