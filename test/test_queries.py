"""Random queries over several streams: what is accepted equals its batch. See README.md."""
import pytest

from query_history import QueryHistory


@pytest.mark.parametrize("seed", range(1, 3))
def test_queries(server, broker, name, seed):
    history = QueryHistory(server, broker, name, seed, queries=30, looks=3).run()
    assert len(history.views) + history.refusals.total() > 10
