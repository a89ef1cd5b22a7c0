"""The terminal's charts against a real venue: lines of orders by keys and pointer, depth, funding."""

import re
from typing import Any

from tests.browser.terminal import Terminal
from tests.browser.venue import BrowserVenue

expect = Terminal.expect


def line_of(terminal: Terminal, order: dict[str, Any]) -> Any:
    """The label on the line of a limit order, which is drawn once there is a candle."""
    return terminal.page.locator(f'[data-line="{order["order_id"]} price"]')


def test_keys_move_an_orders_line_and_enter_alone_amends(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    venue.place(name, "buy", "0.01")
    order = venue.place(name, "buy", "0.1", "19980")
    handle = line_of(terminal, order).get_by_role("slider")
    expect(handle).to_be_visible()
    handle.focus()
    handle.press("ArrowDown")
    handle.press("Shift+ArrowDown")
    expect(handle).to_have_attribute("aria-valuenow", "19974.5")
    handle.press("Escape")
    expect(handle).to_have_attribute("aria-valuenow", "19980")
    assert float(venue.orders(name)[0]["price"]) == 19980
    handle.press("ArrowUp")
    handle.press("Enter")
    terminal.tab("Open orders")
    expect(terminal.row(order["order_id"])).to_contain_text("19,980.5")
    assert float(venue.orders(name)[0]["price"]) == 19980.5


def test_escape_ends_a_drag_with_nothing_sent(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    venue.place(name, "buy", "0.01")
    order = venue.place(name, "buy", "0.1", "19985")
    line = line_of(terminal, order)
    expect(line).to_be_visible()
    box = terminal.still_box(line)
    mouse, y = terminal.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + 200, y)  # on the line itself, away from its label
    mouse.down()
    mouse.move(box["x"] + 200, y + 30, steps=4)
    expect(line).to_contain_text("→")
    terminal.page.keyboard.press("Escape")
    expect(line).not_to_contain_text("→")
    mouse.up()
    assert float(venue.orders(name)[0]["price"]) == 19985


def test_a_click_into_the_depth_puts_its_price_into_the_ticket(
    venue: BrowserVenue, terminal: Terminal, name: str
) -> None:
    charts = terminal.page.get_by_role("region", name="Charts")
    charts.get_by_role("tab", name="Depth").click()
    expect(charts).to_contain_text("20,000.0")
    charts.get_by_role("img", name=re.compile("^Depth of")).click()
    price = terminal.ticket.get_by_label("Price", exact=True)
    expect(price).to_have_value(re.compile(r"^(19|20)\d{3}(\.5)?$"))
    charts.get_by_role("tab", name="Funding").click()
    expect(charts).to_contain_text("running interval")
    assert venue.orders(name) == []
