"""Fixtures that many tests share, and what the workers of pytest-xdist share."""

import gc
import logging
import sys
from collections.abc import Generator, Iterator

import pytest

from engine.units import JIT
from tests import build, shares
from tests.memory import STATES
from tests.pair import Pair
from tests.patience import patience_s


def workers(config: pytest.Config) -> int:
    """How many processes run tests of this run."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several workers begin with the long ones."""
    if workers(config) > 1:
        items[:] = shares.dealt(items, workers(config))


def pytest_collection_finish() -> None:
    """Nearly all that there is now stays to the end. Collections leave it out: they are quick, and come often."""
    gc.collect()
    gc.freeze()
    STATES.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Of several workers one compiles."""
    if workers(item.config) > 1 and JIT and shares.module_of(item) not in shares.WITHOUT_COMPILED:
        shares.compile_once()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None]:
    """A worker does not grow with the venues that it has had: the fixtures of the test are gone here."""
    yield
    STATES.collect_many()


@pytest.fixture
def pair() -> Pair:
    """Engine and model with four eligible accounts and one plain contract."""
    pair = Pair()
    pair.play(build.venue())
    return pair


@pytest.fixture(autouse=True)
def patient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late: no test fails because its client has waited as long as a trader would."""
    client = sys.modules.get("gateway.client.client")
    if client is not None:
        monkeypatch.setattr(client, "REQUEST_SECONDS", patience_s())


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A test that runs a command in this process leaves no log behind that writes to its own, closed, error stream."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in logging.root.handlers[:]:
        if handler not in handlers:
            logging.root.removeHandler(handler)
    logging.root.setLevel(level)
