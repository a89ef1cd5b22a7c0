"""Every page for everybody: no serious finding of axe, dark and light, and no sideways scrolling on any width."""

import re
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.terminal import Terminal
from tests.browser.venue import BrowserVenue

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe: pip install '.[browser]'")
expect = Terminal.expect
WIDTHS = (360, 390, 768, 1440, 1920)
TABLES = ("Positions", "Open orders", "Fills", "Order history", "Funding payments", "Transactions")


def serious(page: Any) -> list[str]:
    """What axe finds serious or worse, a line each."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def with_everything(venue: BrowserVenue, name: str) -> None:
    """A position, orders, and a label as long as they get."""
    venue.place(name, "buy", "0.5")
    venue.place(name, "buy", "0.1", "19900", label="l" * 64)
    venue.place(name, "sell", "0.1", None, type="stop_market", trigger_price="19000", reduce_only=True)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(venue: BrowserVenue, name: str, open_terminal: Open, scheme: str) -> None:
    with_everything(venue, name)
    terminal = open_terminal(venue, name, scheme=scheme)
    found = {}
    for table in TABLES:
        terminal.tab(table)
        terminal.page.wait_for_timeout(50)
        found[table] = serious(terminal.page)
    terminal.page.keyboard.press("?")
    expect(terminal.dialog).to_be_visible()
    found["help"] = serious(terminal.page)
    terminal.page.keyboard.press("Escape")
    terminal.tab("Positions")
    terminal.rows("positions").get_by_role("button", name="Close", exact=True).click()
    found["close"] = serious(terminal.page)
    terminal.page.keyboard.press("Escape")
    stranger = open_terminal(venue, None, scheme=scheme)
    stranger.ticket.get_by_role("button", name="Sign in to trade").click()
    found["sign in"] = serious(stranger.page)
    assert not {place: lines for place, lines in found.items() if lines}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_scrolls_sideways(venue: BrowserVenue, name: str, open_terminal: Open, width: int) -> None:
    with_everything(venue, name)
    terminal = open_terminal(venue, name, size=(width, 800))
    assert overflow(terminal.page) <= 0
    views = terminal.page.get_by_role("navigation").get_by_role("button")
    for place in range(views.count()):
        if views.nth(place).is_visible():
            views.nth(place).click()
            assert overflow(terminal.page) <= 0, views.nth(place).inner_text()
    tabs = terminal.page.get_by_role("tab", name=re.compile("|".join(TABLES)))
    for place in range(tabs.count()):
        if tabs.nth(place).is_visible():
            tabs.nth(place).click()
            assert overflow(terminal.page) <= 0, tabs.nth(place).inner_text()
    if width < 700:
        small = terminal.page.eval_on_selector_all(
            "button, select, input:not([type=checkbox])",
            "found => found.filter(one => one.offsetParent && !one.closest('[aria-label=\"order book\"] .book-side') "
            "&& one.getBoundingClientRect().height < 24).map(one => one.outerHTML.slice(0, 120))",
        )
        assert not small
