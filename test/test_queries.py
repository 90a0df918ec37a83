"""Random queries over several streams: what is accepted equals its batch. See README.md."""
import pytest

from query_history import QueryHistory


@pytest.mark.parametrize("seed", range(1, 3))
def test_queries(server, broker, name, seed):
    assert QueryHistory(server, broker, name, seed).run().comparisons > 0
