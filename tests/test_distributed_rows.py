"""Only touched rows of the embedding travel, and nothing else changes: also in parts, unevenly, and with empty shards."""

import numpy as np
import pytest
import together

from labkit.distributed import launch
from labkit.distributed.data_parallel import Parallel
from labkit.distributed.pages import _pages
from labkit.errors import SettingError

TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return together.start(tmp_path_factory.mktemp("rows") / "start")


def test_the_table_moves_as_if_all_of_it_were_exchanged(place, tmp_path):
    # 17 rows in batches of 8 leave a batch of one row, which is less than one for each of three workers;
    # parts of two rows are another number of parts on each worker.
    jobs = [
        together.job(place, rows=17, batch=8, micro_batch=parts, epochs=4, parallel=parallel, optimizer="sgd", rate=0.1)
        for parts in (0, 2)
        for parallel in (Parallel(), Parallel(share_rows=False))
    ]
    for facts in launch(together.train_all, 3, jobs):
        rows, whole, rows_in_parts, whole_in_parts = (one["logits"] for one in facts)
        np.testing.assert_allclose(rows, whole, atol=1e-5)
        np.testing.assert_allclose(rows_in_parts, whole_in_parts, atol=1e-5)
        np.testing.assert_allclose(rows, rows_in_parts, atol=1e-5)
        assert all(one["same_weights"] for one in facts)


def test_all_start_from_the_table_of_worker_0_and_a_prediction_in_between_marks_nothing(place):
    for rank, (tables, counted, refused) in enumerate(launch(together.tables_and_looks, 2, place)):
        own, wrapped, first = tables
        np.testing.assert_array_equal(wrapped, first)
        assert np.array_equal(own, first) == (rank == 0)
        assert counted[0] == counted[1]
        assert "Expected workers that can see the same memory" in refused


def test_memory_without_a_name_needs_linux(monkeypatch):
    monkeypatch.delattr("os.memfd_create", raising=False)
    with pytest.raises(SettingError, match=r"Expected Linux.*Write through=.network"):
        _pages(10)
