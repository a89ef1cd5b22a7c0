"""Fixtures that many tests share."""

import pytest

from tests import build
from tests.pair import Pair


@pytest.fixture
def pair() -> Pair:
    """Engine and model with four eligible accounts and one plain contract."""
    pair = Pair()
    pair.play(build.venue())
    return pair
