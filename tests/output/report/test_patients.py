"""The table of all test patients, one method at a time."""

from tests.made_results import PATIENTS
from uad_bench.output.report.patients import patient_table
from uad_bench.output.report.report_data import gather_report_data


def test_every_patient_has_a_row_and_those_with_slices_a_case(many_runs):
    report_data = gather_report_data(many_runs)
    table = patient_table(report_data, [PATIENTS[3], PATIENTS[0]])
    assert table is not None
    assert tuple(row.subject for row in table.rows) == report_data.patients
    cases = {row.subject: row.case for row in table.rows if row.case is not None}
    assert cases == {PATIENTS[3]: 0, PATIENTS[0]: 1}


def test_each_row_has_the_numbers_of_every_method_and_a_dash_for_what_is_unknown(many_runs):
    report_data = gather_report_data(many_runs)
    table = patient_table(report_data, ())
    assert table is not None
    assert table.methods == tuple(method.name for method in report_data.sound)
    dice = report_data.by_patient("dice@hFPR5")
    place = table.headings.index("Dice")
    for i, row in enumerate(table.rows):
        assert [cells[place] for cells in row.cells] == [f"{value:.3f}" for value in dice[:, i]]
        assert row.lesion_ml == "–"
    assert not table.volumes
