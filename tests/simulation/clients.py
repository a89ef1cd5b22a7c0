"""A client of a simulated venue: it trades, loses its connection, comes back, and remembers whatever it was told.

What it was told must stay true. Its channels tell each fact once and in order, whatever happens to links, process and
machine; an order that an answer spoke of is known to the channels too; and what is open, and what it holds, is what it
can work out from the facts.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from gateway.client.private_channels import PrivateChannels
from gateway.sessions.session import LONGEST_WAIT_NS
from tests.simulation.machine import Machine
from tests.simulation.network import Link, client_frame
from tests.simulation.virtual_time import Clock

ORDERS, TRADES = "user.orders.any.any.raw", "user.trades.any.any.raw"
CHANNELS = [ORDERS, TRADES, "user.notices"]
BTC, ETH = "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"
OPEN = frozenset({"open", "untriggered"})
COMMANDS = frozenset(
    f"private/{name}" for name in ("buy", "sell", "edit", "cancel", "cancel_all", "enable_cancel_on_disconnect")
)
ALL = 1 << 30
TOO_MANY_REQUESTS = 10028
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder().encode
Json = dict[str, Any]


class BrokenPromiseError(AssertionError):
    """The venue broke a promise: the text says which."""


@dataclass(frozen=True)
class Trader:
    """An account's name, its slot, and its key."""

    name: str
    account_slot: int
    key: str
    secret: str


@dataclass
class Told:
    """All that one client was ever told."""

    orders: dict[str, Json] = field(default_factory=dict)
    """The last state of each order that the channels said."""
    trades: dict[str, Json] = field(default_factory=dict)
    answered: dict[str, Json] = field(default_factory=dict)
    """The last state of each order that an answer said."""
    held: dict[str, Decimal] = field(default_factory=dict)
    """The sum of the trades of each instrument."""
    facts: int = 0


class Client:
    """One client; `act` has it do something of its own accord, `hear` takes what the network brings."""

    def __init__(self, trader: Trader, number: int) -> None:
        self.trader = trader
        self.link: Link | None = None
        self.is_live = False
        self.is_revoked = False
        """Whether the operator's answer said that its key is no more."""
        self.told = Told()
        self.answers: dict[str, Any] = {}
        """Answers to questions whose name was noted, by that name."""
        self.heard: list[bytes] = []
        self.links = 0
        self._is_read_only = False
        """Whether the venue that it is connected to takes no commands."""
        self.protected: set[int] = set()
        """The links, by number, whose orders go when the link does: the venue has confirmed it."""
        self._sent_over: dict[int, set[int]] = {}
        """The links that an order was sent over, by its client id: it belongs to one of them, and only the venue knows
        to which when an answer was lost."""
        self._channels = PrivateChannels(self._deliver)
        self._has_joined = False
        self._owed: list[tuple[list[str], int]] = []
        self._until = 0
        self._asked: dict[int, tuple[str, Json]] = {}
        self._asked_ns: dict[int, int] = {}
        self._clock = Clock()
        self._requests = 0
        self._client_ids = number * 10**6
        self._unsure: list[tuple[str, Json]] = []
        """Orders whose answers were lost with a connection."""

    @property
    def asks(self) -> int:
        """How many of its requests are under way."""
        return len(self._asked)

    # --- the connection -----------------------------------------------------------------------------------------------

    def connect(self, machine: Machine) -> None:
        """Open a link and log in."""
        self.link = machine.connect(self.trader.name)
        self._is_read_only, self._clock = machine.is_read_only, machine.clock
        self.links += 1
        credentials = {"client_id": self.trader.key, "client_secret": self.trader.secret}
        self._ask("public/auth", grant_type="client_credentials", **credentials)

    def lost(self) -> None:
        """The link is gone; orders without an answer may have been taken or not."""
        if self.link is None:
            return
        self.link, self.is_live = None, False
        orders = [asked for asked in self._asked.values() if asked[0] in ("private/buy", "private/sell")]
        self._unsure += orders
        self._asked.clear()
        self._asked_ns.clear()
        self._owed.clear()
        if self._has_joined:
            self._channels.lost()

    def hear(self, size_bytes: int = ALL) -> None:
        """Take what the network brings by now."""
        link = self.link
        if link is None:
            return
        for message in link.received(size_bytes):
            if self.link is not link:
                return
            if not message:
                self._hang_up()
                return
            self.heard.append(message)
            self._take(_decode(message))
        if link.is_ended and not link.to_client:
            self._hang_up()

    def _hang_up(self) -> None:
        if self.link is not None:
            self.link.cut()
        self.lost()

    def _ask(self, method: str, note: str = "", **params: Any) -> None:
        assert self.link is not None
        if "cl_ord_id" in params:
            self._sent_over.setdefault(params["cl_ord_id"], set()).add(self.links)
        self._requests += 1
        self._asked[self._requests] = (note or method, params)
        self._asked_ns[self._requests] = self._clock.passed_ns
        message = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": params}
        self.link.to_venue += client_frame(_encode(message))

    def _take(self, message: Json) -> None:
        if message.get("method") == "subscription":
            params = message["params"]
            self._channels.push(params["channel"], params["data"], params["sequence"], params.get("more", False))
            return
        what, params = self._asked.pop(message["id"], ("", {}))
        if "error" in message:
            waited_ns = self._clock.passed_ns - self._asked_ns[message["id"]]
            self._refused(what, message["error"], waited_ns)
        elif what in _STEPS:
            _STEPS[what](self, message["result"], message)
        elif what:
            if self._is_read_only and what in COMMANDS:
                raise BrokenPromiseError(f"{self.trader.name}: {what} is taken by a venue that is read-only: {message}")
            self.answers[what] = message["result"]
            self._answered(message["result"])
            if what == "private/enable_cancel_on_disconnect":
                self.protected.add(self.links)

    def _refused(self, what: str, error: Json, waited_ns: int) -> None:
        if error["code"] == TOO_MANY_REQUESTS:
            if error["data"]["bucket"] == "queries" and waited_ns > LONGEST_WAIT_NS:
                # The venue's machine stood still while the question waited.
                if what == "venue/resume":
                    self._resume()
                elif what in _STEPS:
                    self._hang_up()  # and it comes back
                return
            raise BrokenPromiseError(f"{self.trader.name}: {what} is over a limit that nobody reaches: {error}")
        if what in _STEPS:
            if self.is_revoked and what == "public/auth":
                self._hang_up()
                return
            raise BrokenPromiseError(f"{self.trader.name}: {what} is refused: {error}")
        self.answers[what] = error

    # --- coming back --------------------------------------------------------------------------------------------------

    def _logged_in(self, result: Json, message: Json) -> None:
        if self.is_revoked:
            raise BrokenPromiseError(f"{self.trader.name}: a revoked key logs in")
        self._ask("private/subscribe", channels=CHANNELS)

    def _subscribed(self, result: Any, message: Json) -> None:
        self._until = message["sequence"]
        if not self._has_joined:
            self._has_joined = True
            self._channels.joined(CHANNELS, self._until)
            self.is_live = True
            return
        self._owed = self._channels.missed()
        self._resume()

    def _resume(self) -> None:
        if not self._owed:
            self._channels.go_on()
            self.is_live = True
            return
        channels, after = self._owed[0]
        self._ask("venue/resume", channels=channels, sequence=after, until=max(after, self._until), count=100)

    def _resumed(self, result: Json, message: Json) -> None:
        for event in result["events"]:
            self._channels.resumed(event["channel"], event["data"], event["sequence"], event.get("more", False))
        channels, _ = self._owed.pop(0)
        if result["has_more"]:
            self._owed.insert(0, (channels, result["sequence"]))
        else:
            self._channels.caught_up(channels, self._until)
        self._resume()

    # --- trading ------------------------------------------------------------------------------------------------------

    def act(self, chance: Random) -> None:
        """Send a request, most often an order or a cancel."""
        kind = chance.random()
        if self.links not in self.protected and kind > 0.9 and chance.random() < 0.3:
            self._ask("private/enable_cancel_on_disconnect")
        elif kind < 0.62:
            self._order(chance)
        elif kind < 0.82:
            self._cancel(chance)
        elif kind < 0.9:
            self._amend(chance)
        elif kind < 0.95 and self._unsure:
            method, params = self._unsure.pop()
            self._ask(method, **params)
        elif kind < 0.97:
            self._ask("private/cancel_all")
        else:
            self._ask("private/get_open_orders", note="a look")

    def _order(self, chance: Random) -> None:
        self._client_ids += 1
        name, middle = (BTC, 20_000) if chance.random() < 0.7 else (ETH, 1_000)
        is_buy = chance.random() < 0.5
        price = middle + chance.randrange(-4, 9) * (-1 if is_buy else 1)
        params: Json = {"instrument_name": name, "amount": chance.randrange(1, 20) / 100, "price": price}
        params["cl_ord_id"] = self._client_ids
        other = chance.random()
        if other < 0.08:
            params["time_in_force"] = "immediate_or_cancel"
        elif other < 0.12:
            params["post_only"] = True
        elif other < 0.16:
            params["label"] = f"l{self._client_ids}"
        elif other < 0.19:
            params["reduce_only"] = True
        elif other < 0.22:
            del params["price"]
            trigger_price = middle + chance.randrange(-9, 9)
            params |= {"type": "stop_market", "trigger": "mark_price", "trigger_price": trigger_price}
        self._ask("private/buy" if is_buy else "private/sell", **params)

    def _cancel(self, chance: Random) -> None:
        order_id = self._some_order(chance)
        if order_id:
            self._ask("private/cancel", order_id=order_id)

    def _amend(self, chance: Random) -> None:
        order_id = self._some_order(chance)
        if order_id:
            price = self.told.orders[order_id]["price"] if order_id in self.told.orders else 20_000
            price = price if isinstance(price, int) else 20_000
            changed = {"amount": chance.randrange(1, 20) / 100, "price": price + chance.randrange(-3, 4)}
            self._ask("private/edit", order_id=order_id, **changed)

    def _some_order(self, chance: Random) -> str:
        mine = [key for key, order in list(self.told.orders.items())[-12:] if order["order_state"] in OPEN]
        return chance.choice(mine) if mine else ""

    def place_last(self) -> None:
        """Place an order that nothing speaks against."""
        self._client_ids += 1
        order: Json = {"instrument_name": BTC, "amount": 0.01, "price": 19_900, "cl_ord_id": self._client_ids}
        self._ask("private/buy", note="last order", post_only=True, **order)

    def check_last(self) -> None:
        """It was taken: nothing that has happened keeps the market shut for good. BrokenPromiseError."""
        answer = self.answers.pop("last order", None)
        if answer is None or "order" not in answer:
            raise BrokenPromiseError(f"{self.trader.name}: no order is taken any more: {answer}")

    def ask_all(self) -> None:
        """Ask what `check` needs."""
        self._ask("private/get_open_orders", note="open orders")
        self._ask("private/get_positions", note="positions")
        for name in (BTC, ETH):
            params = {"instrument_name": name, "count": 1000}
            self._ask("private/get_user_trades_by_instrument", note=f"trades {name}", **params)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def _deliver(self, channel: str, data: Any) -> None:
        self.told.facts += 1
        if channel == ORDERS:
            self._order_state(data)
        elif channel == TRADES:
            for trade in data:
                self._trade(trade)

    def _order_state(self, order: Json) -> None:
        before = self.told.orders.get(order["order_id"])
        if before is not None and not _follows(before, order):
            raise BrokenPromiseError(f"{self.trader.name}: an order goes back: {before} then {order}")
        self.told.orders[order["order_id"]] = order

    def _trade(self, trade: Json) -> None:
        key = f"{trade['trade_id']} {trade['order_id']}"
        if key in self.told.trades:
            raise BrokenPromiseError(f"{self.trader.name}: a trade is told twice: {trade}")
        self.told.trades[key] = trade
        amount = trade["amount"] if trade["direction"] == "buy" else -trade["amount"]
        name = trade["instrument_name"]
        self.told.held[name] = self.told.held.get(name, Decimal(0)) + amount

    def _answered(self, result: Any) -> None:
        order = result.get("order", result) if isinstance(result, dict) else None
        if order and "order_state" in order:
            before = self.told.answered.get(order["order_id"])
            if before is None or _follows(before, order):
                self.told.answered[order["order_id"]] = order

    # --- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """All that has to hold of a venue that trades, when everything is told and answered. BrokenPromiseError."""
        self.check_told()
        for order in self.told.orders.values():
            links = self._sent_over.get(order.get("cl_ord_id", 0), {self.links})
            if order["order_state"] in OPEN and links <= self.protected - {self.links}:
                if not order["reduce_only"]:
                    name = self.trader.name
                    raise BrokenPromiseError(f"{name}: its connection was lost, and its order stands: {order}")

    def _answer(self, note: str) -> Any:
        """What a question of `ask_all` was answered."""
        answer = self.answers.pop(note, None)
        if answer is None or "code" in answer:
            raise BrokenPromiseError(f"{self.trader.name}: {note} are not told: {answer}")
        return answer

    def check_told(self) -> None:
        """Everything is told and answered: compare what the venue says with what it said. BrokenPromiseError."""
        told, name = self.told, self.trader.name
        for order_id, order in told.answered.items():
            last = told.orders.get(order_id)
            if last is None:
                raise BrokenPromiseError(f"{name}: an answered order is unknown: {order}")
            if last["order_state"] != "replaced" and not _follows(order, last):
                raise BrokenPromiseError(f"{name}: an answer is not true any more: {order} but {last}")
        known_open = {key: _shown(order) for key, order in told.orders.items() if order["order_state"] in OPEN}
        now_open = {order["order_id"]: _shown(order) for order in self._answer("open orders")}
        if known_open != now_open:
            differ = {key for key in known_open.keys() | now_open.keys() if known_open.get(key) != now_open.get(key)}
            lines = [f"{key}: told {known_open.get(key)}, now {now_open.get(key)}" for key in sorted(differ)]
            raise BrokenPromiseError(f"{name}: open orders differ: {'; '.join(lines)}")
        kept = [trade for market in (BTC, ETH) for trade in self._answer(f"trades {market}")["trades"]]
        ids = Counter(f"{trade['trade_id']} {trade['order_id']}" for trade in kept)
        known = Counter(told.trades.keys())
        if ids != known:
            raise BrokenPromiseError(
                f"{name}: its trades lack {list(known - ids)} and have {list(ids - known)} too many"
            )
        held = {key: value for key, value in told.held.items() if value}
        sizes = {row["instrument_name"]: row["size"] for row in self._answer("positions")}
        now_held = {key: Decimal(size) for key, size in sizes.items() if size}
        if held != now_held:
            raise BrokenPromiseError(f"{name}: positions differ: its trades make {held}, the venue says {now_held}")


def _follows(before: Json, order: Json) -> bool:
    """Whether an order may be in this state after that one."""
    if order["filled_amount"] < before["filled_amount"]:
        return False
    if order["last_update_timestamp"] < before["last_update_timestamp"]:
        return False
    return before["order_state"] in OPEN or order["order_state"] == before["order_state"]


def _shown(order: Json) -> tuple[Any, ...]:
    return tuple(order[name] for name in ("order_state", "price", "amount", "filled_amount", "label"))


_STEPS = {
    "public/auth": Client._logged_in,
    "private/subscribe": Client._subscribed,
    "venue/resume": Client._resumed,
}
