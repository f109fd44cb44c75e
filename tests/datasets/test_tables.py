"""Tables of patients are read as spreadsheet programs save them."""

import pytest

from uad_bench.datasets.dataset import read_attributes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_encoding_and_separator_of_a_spreadsheet_is_read(tmp_path, encoding, separator):
    text = f"id{separator}site\r\nP1{separator}Zürich\r\n"
    (tmp_path / "patients.csv").write_bytes(text.encode(encoding))
    assert read_attributes(tmp_path) == {"P1": {"site": "Zürich"}}


def test_a_comma_inside_quotes_separates_nothing(tmp_path):
    (tmp_path / "patients.csv").write_text('id,site\nP1,"Basel, CH"\n')
    assert read_attributes(tmp_path) == {"P1": {"site": "Basel, CH"}}


def test_a_column_patient_beside_an_id_names_the_patient_of_each_scan(tmp_path):
    (tmp_path / "patients.csv").write_text("patient,id\nSmith,scan1\nSmith,scan2\n")
    assert read_attributes(tmp_path) == {"scan1": {"patient": "Smith"}, "scan2": {"patient": "Smith"}}


def test_a_column_patient_alone_is_the_id(tmp_path):
    (tmp_path / "patients.csv").write_text("patient,age\nP1,60\n")
    assert read_attributes(tmp_path) == {"P1": {"age": "60"}}
