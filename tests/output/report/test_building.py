"""The report is self-contained, executes no foreign code, and shows real patients only on request."""

import re
from html.parser import HTMLParser

import pytest

from uad_bench.errors import ConfigError
from uad_bench.output.report.building import write_report


class Outline(HTMLParser):
    """Tags of a page, its ids, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.loaded = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.loaded += [values[key] for key in ("src", "href", "xlink:href", "data") if values.get(key)]


def page(runs, tmp_path, **options):
    write_report(runs, tmp_path / "report.html", **options)
    return (tmp_path / "report.html").read_text()


def test_a_page_loads_nothing_from_anywhere(many_page):
    text, _ = many_page
    assert all(target.startswith(("#", "data:,")) for target in Outline(text).loaded)
    assert not re.search(r"url\((?!#)|@import", text)


def test_hostile_names_stay_words(many_page):
    text, _ = many_page
    assert Outline(text).tags.count("script") == 2  # the shipped one, and the numbers of the table of patients
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; a_b $x^2$ =cmd()" in text


def test_ids_are_unique_on_a_page_of_many_figures(many_page):
    ids = Outline(many_page[0]).ids
    assert len(ids) == len(set(ids))
    assert {"summary", "figures", "cases", "figure-dice-threshold", "figure-ranks"} <= set(ids)


def test_every_figure_has_words_in_its_place(many_page):
    text, _ = many_page
    assert len(re.findall(r'<div role="img" aria-label="[^"]{40,}">', text)) == len(
        re.findall(r'id="figure-[a-z-]+"', text)
    )


def test_figures_take_the_pages_colours(many_page):
    text, _ = many_page
    assert "currentColor" in text
    assert "#010203" not in text


def test_a_failed_method_keeps_its_row(many_page):
    assert "FAILED(crash)" in many_page[0]


def test_the_same_runs_give_the_same_bytes(many_runs, many_page, tmp_path):
    assert page(many_runs, tmp_path, images=False) == many_page[0]


def test_real_patients_are_not_shown_unless_asked_for(seen_runs, tiny_data, tmp_path):
    hidden = page(seen_runs, tmp_path, data=tiny_data)
    assert 'id="payload"' not in hidden
    assert "--with-images" in hidden
    assert 'id="payload"' in page(seen_runs, tmp_path, data=tiny_data, images=True)


def test_a_report_of_one_run_is_made_without_ranks(seen_runs, tmp_path):
    text = page(seen_runs[:1], tmp_path)
    assert "no ranks: one method" in text
    assert 'id="figure-ranks"' not in text


def test_a_report_of_nothing_but_failures_is_made(many_runs, tmp_path):
    assert "FAILED(crash)" in page(many_runs[-1:], tmp_path, images=False)


def test_a_report_of_no_run_says_so(tmp_path):
    with pytest.raises(ConfigError, match="at least one run"):
        write_report([], tmp_path / "x.html")


def test_figures_are_written_as_files_too(many_page):
    files = {path.name: path.stat().st_size for path in many_page[1].iterdir()}
    assert {"dice-threshold.png", "dice-threshold.svg", "precision-recall.svg", "ranks.png"} <= files.keys()
    assert min(files.values()) > 2_000


def test_a_file_of_a_figure_names_every_method(many_page):
    for path in many_page[1].glob("*.svg"):
        assert all(f">{name}</text>" in path.read_text() for name in ("random", "intensity", "ae")), path.name


def test_over_folds_the_page_has_every_curve_and_says_what_its_lines_are(folded_page):
    text, figures = folded_page
    assert {"figure-dice-threshold", "figure-precision-recall", "figure-roc"} <= set(Outline(text).ids)
    assert (figures / "roc.png").stat().st_size > 2_000
    assert text.count("Thin: one line per fold") == 2 * 3  # captions, and the words in the figures' place


def test_over_folds_real_patients_are_not_shown_unless_asked_for(folded_page):
    assert 'id="payload"' not in folded_page[0]


def test_training_patients_are_counted_in_each_fold(folded_runs, folded_page, seen_runs, tmp_path):
    counts = [len(fold.read_record().subjects.train) for fold in folded_runs[0].folds]
    assert counts == [2, 2]
    assert "<dd>2 per fold</dd>" in folded_page[0]
    plain = len(seen_runs[0].read_record().subjects.train)
    assert f"<dt>training patients</dt><dd>{plain}</dd>" in page(seen_runs, tmp_path, images=False)


def test_the_largest_missed_lesions_and_the_worst_false_alarms_are_listed(many_runs, tmp_path):
    head = "subject,number,volume_mm3,x_mm,y_mm,z_mm,slice,max_score"
    place = "0.0,0.0,0.0,7"
    lesions = [f"P00,{k},{1000.0 * k},{place},0.5,0.1,{int(k == 5)}" for k in range(1, 6)]
    many_runs[0].lesions.write_text("\n".join([f"{head},mean_score,detected", *lesions]))
    many_runs[0].false_positives.write_text(f"{head}\nP01,1,60.0,{place},0.25\nP02,1,80.0,{place},0.125\n")
    text = re.sub(r"<[^>]+>", " ", page(many_runs, tmp_path, images=False).partition('id="components"')[2])
    found = re.findall(r"(P\d\d)\s+random\s+(missed lesion|false alarm)\s+([\d.]+)\s+7", text)
    missed = [("P00", "missed lesion", f"{ml}.00") for ml in (4, 3, 2)]
    assert found == [*missed, ("P01", "false alarm", "0.06"), ("P02", "false alarm", "0.08")]
