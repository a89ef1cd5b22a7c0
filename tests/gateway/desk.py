"""A stand-in for the projection: fixed rows that a test sets, and a session logged in to read them."""

import json

from engine.codes import MarketState, OrdStatus, OrdType, Side, TimeInForce
from gateway import auth
from gateway.context import Context
from gateway.interfaces import Close, Reply, Submit
from gateway.registry import Registry
from gateway.session import Session
from gateway.translate import Contract, Unit
from gateway.views import (
    AccountView,
    BookView,
    ContractTerms,
    OrderView,
    PositionView,
    TickerView,
    TradeView,
    UserTradeView,
)

NOW = 1_800_000_000_000_000_000
MS = 1_000_000
S = 1_000_000_000
BTC = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.0001"), 1, 5)
ETH = Contract(1, "ETH_USDC-PERPETUAL", "ETH", "USDC", Unit.parse("0.05"), Unit.parse("0.001"), 2, 5)
TERMS = ContractTerms(MarketState.OPEN, 10, 10**9, 10**10, 500_000, 200_000, 1_000_000, 30_000_000, 28800, 10)


class Rows:
    """The read interface over rows that the test puts in."""

    def __init__(self):
        self.durable_seq = 100
        self.now_ns = NOW
        self.list = [BTC, ETH]
        self.orders = {}
        self.own_trades = []
        self.public_trades = []
        self.position_rows = {}
        self.account_row = AccountView(0, cash_micros=10_000_000_000, equity_micros=10_000_000_000)
        self.ticker_rows = {0: TickerView(0, NOW, MarketState.OPEN), 1: TickerView(1, NOW, MarketState.OPEN)}
        self.book_rows = {0: BookView(0, NOW, 7), 1: BookView(1, NOW, 8)}
        self.candle_rows, self.funding_rows, self.transaction_rows, self.rule_rows, self.events = [], [], [], [], []
        self.spans = []
        self.halted = False

    def contracts(self):
        return self.list

    def contract(self, name):
        return {c.name: c for c in self.list}.get(name)

    def contract_at(self, slot):
        return self.list[slot]

    def terms(self, slot):
        return TERMS

    def ticker(self, slot):
        return self.ticker_rows[slot]

    def book(self, slot, depth):
        row = self.book_rows[slot]
        return BookView(slot, row.time_ns, row.change_id, row.bids[:depth], row.asks[:depth])

    def trades(self, slot, span):
        self.spans.append(span)
        return [row for row in self.public_trades if row.contract_slot == slot][: span.count], False

    def candles(self, slot, resolution_s, start_ns, end_ns):
        return self.candle_rows

    def funding(self, slot, start_ns, end_ns):
        return [row for row in self.funding_rows if start_ns <= row.time_ns <= end_ns]

    def is_halted(self):
        return self.halted

    def order(self, account, order_id):
        view = self.orders.get(order_id)
        return view if view is not None and view.account_slot == account else None

    def open_orders(self, account):
        return [view for view in self.orders.values() if view.account_slot == account and view.is_open]

    def order_history(self, account, slots, span):
        self.spans.append(span)
        closed = [v for v in self.orders.values() if v.account_slot == account and not v.is_open]
        return [v for v in closed if v.contract_slot in slots][: span.count]

    def user_trades(self, account, slots, span):
        self.spans.append(span)
        found = [t for t in self.own_trades if t.account_slot == account and t.trade.contract_slot in slots]
        return found[: span.count], len(found) > span.count

    def order_trades(self, account, order_id):
        return [t for t in self.own_trades if t.account_slot == account and t.order_id == order_id]

    def position(self, account, slot):
        return self.position_rows.get(slot, PositionView(slot))

    def positions(self, account):
        return list(self.position_rows.values())

    def account(self, account):
        return self.account_row

    def leverage(self, account, slot):
        return 0

    def transactions(self, account, span):
        self.spans.append(span)
        return self.transaction_rows, 0

    def admission(self, account, slot):
        return self.rule_rows

    def events_since(self, account, sequence, count):
        return [row for row in self.events if row[0] > sequence][:count]


def order(order_id=77, account=0, contract=0, **fields):
    """An open limit order, changed by keywords."""
    view = OrderView(
        order_id, account, contract, Side.BUY, OrdType.LIMIT, TimeInForce.GTC, 0, 40_001, 5_000, NOW, NOW,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(view, name, value)
    return view


def own_trade(order_id=77, trade_id=3, account=0, is_taker=True):
    """One side of a trade of 0.5 at 20000.5."""
    trade = TradeView(0, trade_id, NOW, Side.BUY, 40_001, 5_000, 0, 40_000_000, 40_000_000)
    return UserTradeView(trade, account, order_id, Side.BUY, is_taker, 5_000_125, OrdType.LIMIT, 0, OrdStatus.FILLED)


class Desk:
    """A registry with two accounts, their keys, and sessions on `Rows`."""

    def __init__(self, folder, **context):
        self.registry = Registry(folder / "registry.db")
        self.vault = auth.Vault(folder / "vault.key")
        self.rows = Rows()
        self.context = Context(auth.Authenticator(self.registry, self.vault), self.registry, **context)
        self.keys = {}
        for slot, name in enumerate(("alice", "bob")):
            self.registry.create_account(name, NOW)
            self.add_key(name, slot, ["read", "trade"])

    def add_key(self, name, slot, scopes):
        """An HMAC key under this name."""
        key = auth.new_hmac_key(self.vault)
        person = self.registry.person(f"person of {name}", NOW)
        self.registry.add_key(key.id, slot, person, "hmac", key.verifier, scopes, name, NOW)
        self.keys[name] = key
        return key

    def session(self, name=None, binary=False):
        """A new session, logged in if a name is given."""
        session = Session(self.context, self.rows, binary, "test", NOW)
        if name:
            key = self.keys[name]
            params = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
            assert "access_token" in ask(session, "public/auth", **params)["result"]
        return session


def send(session, method, now_ns=NOW, request_id=1, **params):
    """The actions that a request causes."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return session.receive(json.dumps(message).encode(), now_ns)


def ask(session, method, now_ns=NOW, **params):
    """The one immediate answer to a request, decoded."""
    return answer(send(session, method, now_ns, **params))


def answer(actions):
    """The answer among actions."""
    replies = [action for action in actions if isinstance(action, Reply)]
    assert len(replies) == 1, actions
    return json.loads(replies[0].data)


def submitted(actions):
    """The one Submit among actions."""
    assert [type(action) for action in actions] == [Submit], [getattr(a, "data", a) for a in actions]
    return actions[0]


def closes(actions):
    """The close code among actions, or None."""
    return next((action.code for action in actions if isinstance(action, Close)), None)
