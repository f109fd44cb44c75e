"""Two runs may prepare the same patients at once."""

import multiprocessing

from uad_bench.data.preparation import Preprocessing
from uad_bench.data.store import SliceStore

CHOICE = Preprocessing(("flair", "t1"), "p90", size=8, field_of_view=26.0)


def _prepare(subjects, census, cache_root, queue):
    store = SliceStore.prepare(subjects, census, CHOICE, cache=cache_root)
    queue.put(store.manifest())


def test_processes_that_prepare_at_once_agree(cohort, cache_root):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    work = (cohort.subjects(), cohort.census(cache_root), cache_root, queue)
    processes = [context.Process(target=_prepare, args=work) for _ in range(2)]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert answers[0] == answers[1]
    files = list((cache_root / "slices").iterdir())
    assert len(files) == 6 * 4
    assert not [path for path in files if path.name.endswith(".part")]
