"""The paragraph says what was run in numbers of the record, and cites what it stands on."""

import re

from tests.made_results import made_record
from uad_bench.output.methods_paragraph import bibliography, method_works, paragraph
from uad_bench.resources import resource_names


def test_numbers_of_the_record_stand_in_the_paragraph():
    text = paragraph(made_record("ae"))
    for said in ("20 test", "10 steps of 2 slices", "seed 0", "AUPRC 0.600 (0.550 to 0.650)", "prevalence 0.0200"):
        assert said in text


def test_an_undefined_result_is_said_to_be_so():
    assert "AUPRC undefined" in paragraph(made_record("ae", auprc=None))


def test_every_citation_of_the_paragraph_is_in_the_bibliography():
    record = made_record("mmccd")
    cited = set(re.findall(r"@(\w+)", paragraph(record)))
    assert {"liang2023", "uadbench"} == cited
    assert cited == set(re.findall(r"@\w+\{(\w+),", bibliography(record)))


def test_every_paper_that_a_method_names_can_be_cited():
    from uad_bench.config import read_toml
    from uad_bench.resources import resource_path

    for name in resource_names("configs/methods", ".toml"):
        papers = [p for p in read_toml(resource_path(f"configs/methods/{name}.toml")).get("paper", "").split(";") if p]
        assert len(method_works(name)) == len(papers), name


def test_bibtex_is_balanced_and_arxiv_numbers_are_eprints():
    text = bibliography(made_record("mmccd"))
    assert text.count("{") == text.count("}")
    assert "eprint = {2308.16150}" in text
