"""The methods section states the settings and results of the record, and cites the method's papers."""

import re

import pytest

from tests.made_results import made_record
from uad_bench.output.methods_paragraph import bibliography, method_works, paragraph
from uad_bench.resources import resource_names
from uad_bench.runs.record import WeightsOfRun
from uad_bench.runs.selected import Measurement, SelectedStep


def with_method(record, **changes):
    return record.model_copy(update={"method": record.method.model_copy(update=changes)})


def test_the_section_contains_the_numbers_of_the_record():
    text = paragraph(made_record("ae"))
    for phrase in (
        "1 training, 2 validation and 20 test patients",
        "10 optimisation steps with a batch size of 2 (random seed 0)",
        "AUPRC was 0.600 (95 % CI 0.550 to 0.650)",
        "prevalence of lesion voxels was 0.0200",
    ):
        assert phrase in text


def test_an_undefined_result_is_reported_as_undefined():
    assert "AUPRC was undefined" in paragraph(made_record("ae", auprc=None))


@pytest.mark.parametrize(
    ("fit", "phrase"),
    [
        (["flair"], "was trained and tested on FLAIR images"),
        (["flair", "t2"], "was trained on FLAIR and T2 and tested on FLAIR images"),
        ([], "requires no training and was applied to FLAIR images"),
    ],
)
def test_the_section_states_which_modalities_the_method_used(fit, phrase):
    text = paragraph(with_method(made_record("ae"), fit=fit))
    assert phrase in text
    assert ("Training used" in text) is bool(fit)


def test_weights_of_another_run_are_named_instead_of_a_training():
    weights = WeightsOfRun(checkpoint="0123456789abcdef", further=False, run="brats/ae/seed0-1a2b3c4d")
    text = paragraph(with_method(made_record("ae"), weights=weights))
    assert "those of the run brats/ae/seed0-1a2b3c4d (SHA-256 0123456789ab) and were used without further" in text
    assert "Training used" not in text
    further = paragraph(with_method(made_record("ae"), weights=weights.model_copy(update={"further": True})))
    assert "Training used" in further
    assert "Training started from the weights of the run brats/ae/seed0-1a2b3c4d." in further


def test_one_sentence_says_that_weights_were_selected_on_implanted_anomalies():
    curve = (Measurement(step=500, auprc=0.2), Measurement(step=1000, auprc=0.1))
    selected = SelectedStep(step=500, every=500, patients=("A", "B"), slices=64, curve=curve)
    record = with_method(made_record("ae"), select=500)
    expected = (
        "every 500 steps the AUPRC of synthetic anomalies implanted in healthy slices of 2 held-out training patients "
        "was computed, and the weights of the best step were kept (step 500)."
    )
    assert expected in paragraph(record.model_copy(update={"selection": selected}))
    assert "of held-out training patients was computed" in paragraph(record)  # over folds
    assert "implanted" not in paragraph(made_record("ae"))


def test_score_maps_of_another_program_claim_neither_training_nor_resampling():
    text = paragraph(with_method(made_record("ours"), profile="external", fit=None))
    assert "Score maps of ours were evaluated with uad-bench" in text
    assert "Training used" not in text
    assert "requires no training" not in text
    assert "resampled" not in text


def test_cross_validation_is_stated_with_its_number_of_folds():
    record = made_record("ae", n_folds=3, subjects={"test": ["P00", "P01"]})
    assert "3-fold cross-validation over 2 patients, each tested once" in paragraph(record)
    assert "averaged over folds" in paragraph(record)


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
