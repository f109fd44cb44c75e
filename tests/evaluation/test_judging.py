"""What a stored run is judged against besides its references."""

from functools import partial

from tests.scored import Scored
from uad_bench.data.cache import cache_root
from uad_bench.data.cohort import read_input
from uad_bench.evaluation.judging import judge
from uad_bench.runs.events import Described
from uad_bench.runs.reopen import open_stored


def test_the_input_of_a_method_on_the_scans_own_grid_is_matched_there_and_has_one_half(scored: Scored):
    (stored,) = open_stored(scored.run_of(scored.judge("any")), scored.data, lambda _: None)
    own = partial(read_input, stored.cohort, native=True, cache=cache_root())
    run = scored.run_of(scored.judge("own", lambda i: own(f"P{i}")))
    (part,) = open_stored(run, scored.data, lambda _: None)
    run.append(Described(fit=(), score=("flair",), native=True))
    found = judge(run, part.cohort, part.split, lambda _: None)
    assert {e.metric.value for e in found.estimates if e.metric.name == "matched_auroc"} == {0.5}
    assert part.record.value("matched_auroc") != 0.5  # matched at the working size
