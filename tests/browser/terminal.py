"""The terminal as its tests see it: what a user reads and presses, by roles and labels."""

import re
from typing import Any

from tests.browser.page import MS, WIDE, Page

STILL_LOOK_MS, STILL_LOOKS = 100, 8
"""How often, and how many times in a row, something is looked for at the same place."""


class Terminal(Page):
    """The terminal, live and logged in where its address has a key."""

    def __init__(
        self, browser: Any, address: str, *, size: tuple[int, int] = WIDE, scheme: str = "dark", asks: bool = False,
        script: str = "",
    ) -> None:  # fmt: skip
        """`asks`: whether the ticket asks before each order, as it does for a new user."""
        super().__init__(browser, size, scheme, script)
        self.page.goto(address)
        self.state.wait_for()
        self.expect(self.state).to_have_attribute("data-connection", "live")
        if "#key=" in address and size[0] >= 700:
            self.expect(self.account).to_contain_text("Equity")
            box = self.ticket.get_by_label("Ask before each order")
            box.set_checked(asks)

    # --- parts ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The state of market and connection."""
        return self.page.get_by_role("status", name="state")

    @property
    def account(self) -> Any:
        """The account's money, admission and notices."""
        return self.page.get_by_role("region", name="account")

    @property
    def ticket(self) -> Any:
        """The order ticket."""
        return self.page.get_by_role("region", name="order ticket")

    @property
    def amend_preview(self) -> Any:
        """What the amendment would do that is being made."""
        return self.page.get_by_role("note", name="preview of the amendment")

    @property
    def messages(self) -> Any:
        """What the page tells in its corner."""
        return self.page.get_by_role("status", name="messages")

    def tab(self, title: str) -> None:
        """Choose one of the account's tables, and wait until it has its rows."""
        self.page.get_by_role("tab", name=re.compile(f"^{title}")).click()
        self.expect(self.page.get_by_role("tabpanel", name=title)).not_to_contain_text("loading")

    def part(self, title: str) -> None:
        """Show one part of the terminal on a phone, and wait until it is drawn."""
        button = self.page.get_by_role("navigation", name="parts").get_by_role("button", name=title)
        button.click()
        self.expect(button).to_have_attribute("aria-current", "page")

    def rows(self, table: str) -> Any:
        """The rows of one of the account's tables that name an order or a contract."""
        attribute = "data-order-id" if "orders" in table else "data-instrument"
        return self.page.locator(f"tr[{attribute}]")

    def row(self, order_id: str) -> Any:
        """The row of an open order."""
        return self.page.locator(f'tr[data-order-id="{order_id}"]')

    @property
    def profit(self) -> Any:
        """The profit of the position in the table."""
        return self.page.locator('[data-field="profit"]').first

    def still_box(self, what: Any) -> dict[str, float]:
        """Where something of the chart is, once it has stood still: what is loaded later moves the scale of prices."""
        self.expect(what).to_be_visible()
        before: Any = None
        same = 0
        for _ in range(MS // STILL_LOOK_MS):
            box = what.bounding_box()
            same = same + 1 if box is not None and box == before else 0
            if same == STILL_LOOKS:
                return dict(box)
            before = box
            self.page.wait_for_timeout(STILL_LOOK_MS)
        raise AssertionError(f"it never stood still; at last it was at {before}")

    # --- deeds ----------------------------------------------------------------------------------------------------

    def write(self, amount: str, price: str | None = None) -> None:
        """Fill the ticket: a limit order with a price, else a market order."""
        self.ticket.get_by_role("tab", name="Market" if price is None else "Limit").click()
        if price is not None:
            self.ticket.get_by_label("Price", exact=True).fill(price)
        self.ticket.get_by_label("Amount", exact=True).fill(amount)

    def press(self, side: str) -> None:
        """Press Buy or Sell."""
        self.ticket.get_by_role("button", name=re.compile(f"^{side}")).click()
