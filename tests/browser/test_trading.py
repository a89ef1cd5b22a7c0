"""What a trader does in the terminal, against a real venue: preview, place, amend, cancel, fill, close. Once each."""

import re
from typing import Any

from tests.browser.conftest import Open
from tests.browser.terminal import Terminal
from tests.browser.venue import BrowserVenue
from tests.gateway.live import BTC

expect = Terminal.expect


def placed(venue: BrowserVenue, name: str) -> list[dict[str, Any]]:
    """Every order that a trader has ever placed: open ones and ended ones."""
    ended = venue.call(
        name, "private/get_order_history_by_currency", currency="USDC", count=100, include_old=True,
        include_unfilled=True,
    )  # fmt: skip
    return [*venue.orders(name), *ended]


def test_the_printed_address_logs_in_and_keeps_no_secret_in_sight(
    venue: BrowserVenue, terminal: Terminal, name: str, open_terminal: Open
) -> None:
    expect(terminal.account).to_contain_text("1,000,000.00")
    secret = venue.traders[name].key.secret
    assert secret not in terminal.page.url and "#" not in terminal.page.url
    terminal.page.reload()
    expect(terminal.account).to_contain_text("1,000,000.00")
    other = open_terminal(venue, None)
    expect(other.ticket.get_by_role("button", name="Sign in to trade")).to_be_visible()
    other.ticket.get_by_role("button", name="Sign in to trade").click()
    other.dialog.get_by_label("Key id").fill(venue.traders[name].key.id)
    other.dialog.get_by_label("Secret").fill(secret)
    other.dialog.get_by_role("button", name="Sign in").click()
    expect(other.account).to_contain_text("1,000,000.00")


def test_an_order_is_placed_amended_where_it_stands_and_cancelled(
    venue: BrowserVenue, terminal: Terminal, name: str
) -> None:
    terminal.write("0.1", "19900")
    terminal.press("Buy")
    terminal.tab("Open orders")
    expect(terminal.rows("open orders")).to_have_count(1)
    (order,) = venue.orders(name)
    assert (float(order["price"]), float(order["amount"]), order["direction"]) == (19900, 0.1, "buy")
    row = terminal.row(order["order_id"])
    row.get_by_role("button", name=re.compile("^price .*amend")).click()
    row.get_by_label("new price").fill("19890.5")
    expect(terminal.amend_preview).to_contain_text("Goes to the end of the queue")
    row.get_by_label("new price").press("Enter")
    expect(row).to_contain_text("19,890.5")
    row.get_by_role("button", name=re.compile("^amount .*amend")).click()
    row.get_by_label("new amount").fill("0.05")
    expect(terminal.amend_preview).to_contain_text("Keeps its place in the queue")
    row.get_by_label("new amount").fill("0.3")
    told = venue.call(name, "private/preview_edit", order_id=order["order_id"], amount="0.3")
    expect(terminal.amend_preview).to_contain_text(f"{told['after']['available_funds']:,.2f}")
    assert float(venue.orders(name)[0]["amount"]) == 0.1  # a preview sends nothing
    row.get_by_role("button", name="amend", exact=True).click()
    expect(row).to_contain_text("0.300")
    (order,) = venue.orders(name)
    assert (float(order["price"]), float(order["amount"])) == (19890.5, 0.3)
    row.get_by_role("button", name=re.compile("^cancel order")).click()
    expect(terminal.rows("open orders")).to_have_count(0)
    assert venue.orders(name) == []


def test_a_market_order_fills_and_the_position_is_closed(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    terminal.write("0.5")
    terminal.press("Sell")
    terminal.tab("Positions")
    expect(terminal.rows("positions")).to_have_count(1)
    expect(terminal.rows("positions")).to_contain_text("short 0.500")
    assert venue.size(name) == -0.5
    terminal.rows("positions").get_by_role("button", name="Close", exact=True).click()
    terminal.dialog.get_by_role("button", name=re.compile("^(Close|Buy)")).last.click()
    expect(terminal.rows("positions")).to_have_count(0)
    assert venue.size(name) == 0
    terminal.tab("Fills")
    expect(terminal.page.get_by_role("tabpanel", name="Fills")).to_contain_text("0.500")


def test_no_side_is_chosen_enter_and_a_double_click_place_nothing_unwanted(
    venue: BrowserVenue, terminal: Terminal, name: str
) -> None:
    terminal.write("0.1", "19900")
    amount = terminal.ticket.get_by_label("Amount", exact=True)
    for _ in range(3):
        amount.press("Enter")
    terminal.ticket.get_by_label("Price", exact=True).press("Enter")
    terminal.ticket.get_by_role("button", name=re.compile("^Buy")).dblclick()
    terminal.tab("Open orders")
    expect(terminal.rows("open orders")).to_have_count(1)
    button = terminal.ticket.get_by_role("button", name=re.compile("^Sell"))
    terminal.write("0.2", "20100")
    expect(button).to_be_enabled()  # the first order's answer is there: a button that waits takes no focus
    button.focus()
    terminal.page.keyboard.down("Enter")
    for _ in range(5):
        terminal.page.keyboard.down("Enter")  # held down: the browser repeats it
    terminal.page.keyboard.up("Enter")
    expect(terminal.rows("open orders")).to_have_count(2)
    assert sorted(order["direction"] for order in placed(venue, name)) == ["buy", "sell"]


def test_a_new_user_is_asked_before_each_order(venue: BrowserVenue, open_terminal: Open, name: str) -> None:
    terminal = open_terminal(venue, name, asks=True)
    terminal.write("0.1", "19900")
    terminal.press("Buy")
    expect(terminal.dialog).to_contain_text("19,900")
    assert placed(venue, name) == []
    terminal.dialog.get_by_role("button", name="Go back").click()
    expect(terminal.dialog).to_have_count(0)
    terminal.press("Buy")
    terminal.dialog.get_by_role("button", name="Place order").dblclick()
    terminal.tab("Open orders")
    expect(terminal.rows("open orders")).to_have_count(1)
    assert len(placed(venue, name)) == 1


def test_dragging_an_orders_line_in_the_chart_amends_it(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    for side in ("buy", "sell"):  # two trades, so that the chart has a range of prices to drag in
        venue.place("maker", side, "0.001", "20005" if side == "sell" else "19995")
        venue.place("trader-0", "sell" if side == "buy" else "buy", "0.001")
    order = venue.place(name, "buy", "0.1", "20001")
    terminal.tab("Open orders")
    expect(terminal.row(order["order_id"])).to_be_visible()
    line = terminal.page.get_by_role("slider", name=re.compile("^Buy 0.1 order"))
    box = terminal.still_box(line)
    mouse, x, y = terminal.page.mouse, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x, y + 20, steps=4)
    mouse.move(x, y + 60, steps=4)
    assert float(venue.orders(name)[0]["price"]) == 20001  # nothing is sent while it is dragged
    price = line.get_attribute("aria-valuenow")
    told = venue.call(name, "private/preview_edit", order_id=order["order_id"], price=price)
    for figure in (told["after"]["available_funds"], told["after"]["initial_margin"]):
        expect(terminal.amend_preview).to_contain_text(f"{figure:,.2f}")
    mouse.up()
    expect(terminal.row(order["order_id"])).not_to_contain_text("20,001.0")
    (amended,) = venue.orders(name)
    assert amended["order_id"] == order["order_id"]
    assert float(amended["price"]) < 20001 and float(amended["price"]) % 0.5 == 0
    expect(terminal.row(order["order_id"])).to_contain_text(f"{amended['price']:,.1f}")


def test_a_preview_says_before_what_happens_then(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    terminal.write("3")  # more than the best level has: it walks the book
    preview = terminal.page.get_by_role("table", name="preview")
    row = preview.get_by_role("row", name=re.compile("^Average price"))
    expect(row).to_contain_text("20,006.7")
    liquidation = preview.get_by_role("row", name=re.compile("^Liquidation")).get_by_role("cell").first.inner_text()
    assert placed(venue, name) == []
    terminal.press("Buy")
    terminal.tab("Positions")
    expect(terminal.rows("positions")).to_contain_text("20,006.7")
    position = venue.call(name, "private/get_position", instrument_name=BTC)
    said = position["estimated_liquidation_price"]
    assert liquidation == ("\u2013" if said is None else f"{said:,.1f}")


def test_a_refusal_is_told_in_words_with_what_to_do(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    terminal.write("0.1", "21000")
    terminal.press("Buy")
    expect(terminal.messages).to_contain_text(re.compile("band", re.IGNORECASE))
    assert venue.orders(name) == [] and venue.size(name) == 0


def test_a_label_with_markup_is_shown_as_text(venue: BrowserVenue, terminal: Terminal, name: str) -> None:
    label = "<img src=x onerror=document.title='hurt'>"
    venue.place(name, "buy", "0.1", "19900", label=label)
    terminal.tab("Open orders")
    expect(terminal.page.get_by_text(label)).to_be_visible()
    assert terminal.page.locator("img").count() == 0
    assert "hurt" not in terminal.page.title()


def test_a_click_on_the_book_puts_the_price_into_the_ticket(terminal: Terminal) -> None:
    terminal.ticket.get_by_role("tab", name="Limit").click()
    terminal.page.locator('[aria-label="order book"] [aria-label="asks"] [data-price="20010"]').click()
    expect(terminal.ticket.get_by_label("Price", exact=True)).to_have_value(re.compile("^20010(\\.0)?$"))
