"""The patient of a scan, by its id or by an attribute."""

import pytest

from uad_bench.data.subject import Subject, patient_id

SCANS = {
    "BraTS-GLI-00005-101": "BraTS-GLI-00005",
    "sub-7_ses-2": "sub-7",
    "UPENN-GBM-00001_11": "UPENN-GBM-00001",
    "OAS30001_MR_d0129": "OAS30001",
    "OAS2_0001_MR2": "OAS2_0001",
    "PatientID_0003_Timepoint_1": "PatientID_0003",
    "UCSF-PDGM-0004_FU003d": "UCSF-PDGM-0004",
    "P3_FU": "P3",
    "P3_baseline": "P3",
    "P3_visit-2": "P3",
}


@pytest.mark.parametrize("scan", SCANS)
def test_a_known_time_point_is_no_part_of_the_patient(scan):
    assert patient_id(scan) == SCANS[scan]


@pytest.mark.parametrize("scan", ["BraTS2021_00002", "my_scan_1", "P1_fused", "sub-7", "TCGA_CS_4941_19960909"])
def test_other_ids_are_patients_themselves(scan):
    assert patient_id(scan) == scan


def test_the_attribute_patient_goes_before_the_id():
    assert Subject("P3_FU", {}, attributes={"patient": "Smith"}).patient == "Smith"
    assert Subject("P3_FU", {}, attributes={"patient": ""}).patient == "P3"
