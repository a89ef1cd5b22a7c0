"""Fixtures that many tests share, and what the workers of pytest-xdist share."""

import os

import pytest

from engine.units import JIT
from tests import build, shares
from tests.pair import Pair

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers begin with the long ones."""
    if WORKERS > 1:
        items[:] = shares.dealt(items, WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Of several workers one compiles."""
    if WORKERS > 1 and JIT and shares.module_of(item) not in shares.WITHOUT_COMPILED:
        shares.compile_once()


@pytest.fixture
def pair() -> Pair:
    """Engine and model with four eligible accounts and one plain contract."""
    pair = Pair()
    pair.play(build.venue())
    return pair
