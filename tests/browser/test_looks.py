"""Every page for everybody: no serious finding of axe, dark and light, and no sideways scrolling on any width."""

import pytest

from tests.browser.conftest import Open
from tests.browser.terminal import Terminal
from tests.browser.venue import BrowserVenue

expect = Terminal.expect
WIDTHS = (360, 390, 768, 1440, 1920)
PHONE_PX = 767
PARTS = ("Chart", "Book", "Trade", "Account", "Positions")
"""What a phone shows one at a time; the tables come with the last one."""
TABLES = ("Positions", "Open orders", "Fills", "Order history", "Funding payments", "Transactions")


def too_small(terminal: Terminal) -> list[str]:
    """What is too small for a finger. Rows of the book are targets as wide as the screen."""
    return list(
        terminal.page.eval_on_selector_all(
            "button, select, input:not([type=checkbox])",
            "found => found.filter(one => one.offsetParent && !one.closest('[aria-label=\"order book\"] .book-side') "
            "&& one.getBoundingClientRect().height < 24).map(one => one.outerHTML.slice(0, 120))",
        )
    )


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
        found[table] = terminal.serious()
    terminal.page.keyboard.press("?")
    expect(terminal.dialog).to_be_visible()
    found["help"] = terminal.serious()
    terminal.page.keyboard.press("Escape")
    expect(terminal.dialog).to_be_hidden()
    terminal.tab("Positions")
    terminal.rows("positions").get_by_role("button", name="Close", exact=True).click()
    expect(terminal.dialog).to_be_visible()
    found["close"] = terminal.serious()
    terminal.page.keyboard.press("Escape")
    stranger = open_terminal(venue, None, scheme=scheme)
    stranger.ticket.get_by_role("button", name="Sign in to trade").click()
    expect(stranger.dialog).to_be_visible()
    found["sign in"] = stranger.serious()
    assert not {place: lines for place, lines in found.items() if lines}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_scrolls_sideways(venue: BrowserVenue, name: str, open_terminal: Open, width: int) -> None:
    with_everything(venue, name)
    terminal = open_terminal(venue, name, size=(width, 800))
    expect(terminal.rows("positions")).to_have_count(1)
    assert terminal.overflow() <= 0
    is_phone = width <= PHONE_PX
    if width >= 1440:  # what one does with a position is in sight without scrolling the table
        panel, button = (
            terminal.page.locator(".own").bounding_box(),
            terminal.page.get_by_role("button", name="Protect"),
        )
        place = button.bounding_box()
        assert place["x"] + place["width"] <= panel["x"] + panel["width"]
    for part in PARTS if is_phone else ():
        terminal.part(part)
        assert terminal.overflow() <= 0, part
        assert not (found := too_small(terminal)), (part, found)
    for table in TABLES:
        terminal.tab(table)
        assert terminal.overflow() <= 0, table
        assert not (is_phone and (found := too_small(terminal))), (table, found)
