"""A browser, a venue, and terminals logged in to it. `pytest tests/browser`; the plain suite leaves this folder out."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.terminal import Terminal
from tests.browser.venue import BrowserVenue, browser_venue

CHROMIUM = Path(os.environ.get("LIONROCK_CHROMIUM", "/usr/bin/chromium"))
ACCOUNTS = 24
Open = Callable[..., Terminal]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser every test here is skipped, and says why; those of other folders are in `items` too."""
    why = ""
    try:
        import playwright  # noqa: F401
    except ImportError:
        why = "the Python package playwright is missing: pip install '.[browser]'"
    if not CHROMIUM.exists():
        why = f"no browser at {CHROMIUM}: apt-get install chromium, or name one with LIONROCK_CHROMIUM"
    if why:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser of a module: two at once cannot be driven by one thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserVenue]:
    """A venue with a maker and many traders of a million USDC."""
    cash = {f"trader-{number}": 1_000_000 for number in range(ACCOUNTS)}
    with browser_venue(tmp_path_factory.mktemp("venue") / "data", cash) as running:
        running.quote()
        yield running


@pytest.fixture(scope="module")
def _names() -> Iterator[str]:
    return iter([f"trader-{number}" for number in range(ACCOUNTS)])


@pytest.fixture
def name(_names: Iterator[str], venue: BrowserVenue) -> Iterator[str]:
    """A trader that no other test of the module has used; the book is as at the beginning."""
    venue.quote()
    chosen = next(_names)
    yield chosen
    venue.call(chosen, "private/cancel_all")


@pytest.fixture
def open_terminal(chromium: Any) -> Iterator[Open]:
    """Opens terminals, each in a browser context of its own; a fault in a page's script fails the test."""
    opened: list[Terminal] = []

    def open_one(venue: BrowserVenue, name: str | None, **options: Any) -> Terminal:
        address = venue.page if name is None else venue.address(name)
        opened.append(Terminal(chromium, address, **options))
        return opened[-1]

    yield open_one
    faults = [fault for terminal in opened for fault in terminal.end()]
    assert not faults


@pytest.fixture
def terminal(open_terminal: Open, venue: BrowserVenue, name: str) -> Terminal:
    """A terminal that is logged in as `name`."""
    return open_terminal(venue, name)
