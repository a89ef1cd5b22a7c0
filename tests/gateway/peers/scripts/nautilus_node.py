"""A nautilus_trader LiveNode with a strategy: `trade` rests one order and fills another, `again` finds and ends both.

Each fact is printed as one JSON line.
"""

import json
import os
import signal
import sys

from nautilus_trader.core import nautilus_pyo3 as nautilus

HOST = f"127.0.0.1:{os.environ['VENUE_PORT']}"
URLS = {"base_url_http": f"http://{HOST}/api/v2", "base_url_ws": f"ws://{HOST}/ws/api/v2"}
LOGIN = {"api_key": os.environ["VENUE_KEY"], "api_secret": os.environ["VENUE_SECRET"]}
FUTURES = {"product_types": [nautilus.DeribitProductType.FUTURE]}
BTC = nautilus.InstrumentId.from_str("BTC_USDC-PERPETUAL.DERIBIT")
TRADER, ACCOUNT = nautilus.TraderId("TESTER-001"), nautilus.AccountId("DERIBIT-001")
ORDER_EVENTS = {"OrderAccepted", "OrderFilled", "OrderCanceled", "OrderRejected"}


def say(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


def stop():
    os.kill(os.getpid(), signal.SIGINT)


class Bot(nautilus.Strategy):
    def __init__(self, config, phase):
        super().__init__()
        self.phase = phase
        self.seen = set()
        self.heard = set()
        self.is_done = False

    def on_start(self):
        self.subscribe_book_deltas(BTC, nautilus.BookType.L2_MBP)
        self.subscribe_quotes(BTC)
        self.subscribe_trades(BTC)
        self.subscribe_mark_prices(BTC)
        self.subscribe_index_prices(BTC)
        self.subscribe_funding_rates(BTC)
        self.subscribe_instrument_status(BTC)
        self.describe()
        if self.phase == "trade":
            price = nautilus.Price.from_str("19800.0")
            self.submit_order(self.order_factory.limit(BTC, nautilus.OrderSide.BUY, quantity("0.1"), price))
            self.submit_order(self.order_factory.market(BTC, nautilus.OrderSide.BUY, quantity("0.2")))
        else:
            for order in self.cache.orders_open():
                self.cancel_order(order.client_order_id)
            self.submit_order(self.order_factory.market(BTC, nautilus.OrderSide.SELL, quantity("0.2")))

    def describe(self):
        """What the node knows before it does anything: in the second run, what it was told."""
        for order in self.cache.orders():
            fees = {str(code): float(money.as_double()) for code, money in order.commissions().items()}
            say(
                "order", id=str(order.client_order_id), status=order.status.name, filled=str(order.filled_qty),
                average=float(order.avg_px or 0), fees=fees,
            )  # fmt: skip
        for position in self.cache.positions():
            average = float(position.avg_px_open)
            say("position", side=position.side.name, quantity=str(position.quantity), average=average)
        for account in [self.cache.account(ACCOUNT)]:
            say("account", currencies=sorted(str(currency) for currency in account.balances()))

    def on_order_event(self, event):
        name = type(event).__name__
        if name not in ORDER_EVENTS:
            return
        fields = {"id": str(event.client_order_id)}
        if name == "OrderFilled":
            fields.update(price=str(event.last_px), quantity=str(event.last_qty), fee=str(event.commission))
        say(name, **fields)
        self.seen.add((name, str(event.client_order_id)))
        self.finish()

    def finish(self):
        names = [name for name, _ in self.seen]
        wanted = "OrderAccepted" if self.phase == "trade" else "OrderCanceled"
        enough = {"mark", "index", "funding", "quote", "book"}
        if not self.is_done and wanted in names and "OrderFilled" in names and self.heard >= enough:
            self.is_done = True
            say("heard", kinds=sorted(self.heard))
            stop()

    def hear(self, kind):
        self.heard.add(kind)
        self.finish()

    def on_quote(self, quote):
        self.hear("quote")

    def on_trade(self, trade):
        self.hear("trade")

    def on_book_deltas(self, deltas):
        self.hear("book")

    def on_mark_price(self, price):
        self.hear("mark")

    def on_index_price(self, price):
        self.hear("index")

    def on_funding_rate(self, rate):
        self.hear("funding")


def quantity(text):
    return nautilus.Quantity.from_str(text)


def main(phase):
    node = (
        nautilus.LiveNode.builder("NODE", TRADER, nautilus.Environment.LIVE)
        .with_reconciliation(True)
        .with_delay_post_stop_secs(1)
        .with_logging(nautilus.LoggerConfig(stdout_level=nautilus.LogLevel.WARNING))
        .add_data_client(
            None, nautilus.DeribitDataClientFactory(), nautilus.DeribitDataClientConfig(**FUTURES, **LOGIN, **URLS)
        )
        .add_exec_client(
            None, nautilus.DeribitExecutionClientFactory(),
            nautilus.DeribitExecClientConfig(trader_id=TRADER, account_id=ACCOUNT, **FUTURES, **LOGIN, **URLS),
        )
        .build()
    )  # fmt: skip
    config = nautilus.StrategyConfig(strategy_id=nautilus.StrategyId("BOT-001"), external_order_claims=[BTC])
    bot = Bot.__new__(Bot, config)
    bot.__init__(config, phase)
    node.add_strategy(bot)
    node.run()


main(sys.argv[1])
