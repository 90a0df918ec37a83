"""Short random histories: see README.md for how to repeat one, and how to run many."""
import pytest

from history import run_history


@pytest.mark.parametrize("seed", range(1, 5))
def test_history(server, broker, name, seed):
    assert run_history(server, broker, name, seed, rounds=8, most_views=40) > 0
