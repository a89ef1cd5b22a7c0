"""Public channels: the first message of each, the next ones, and how a reader that fell behind catches up.

A message is encoded once for all readers. A slow reader gets none until it is ready; then it gets one message with
everything that changed in between. So the chain of change ids stays unbroken, and no other reader waits.
"""

from typing import Protocol

from gateway.read_model import render
from gateway.read_model.books import Book, Moves
from gateway.read_model.projection import Projection
from gateway.wire import jsonrpc_answers
from gateway.wire.channels import Channel
from gateway.wire.currencies import settled_in
from gateway.wire.decimals import Contract
from gateway.wire.frames import text_frame
from gateway.wire.views import BookView, Candle, Span, TickerView, TradeView

MISSED_TRADES = 1000
"""The most trades that a reader who fell behind gets at once."""


class Reader(Protocol):
    """A connection as a channel sees it."""

    behind: dict["Topic", int]  # channels of which it missed messages, with the mark of the last one it got
    is_slow: bool

    def stage(self, frame: bytes) -> None:
        """Send it with the next write."""
        ...


class Topic:
    """One channel and its readers, in order of joining."""

    is_polled = False
    """Whether `flush` is called ten times a second even if no event came."""

    def __init__(self, channel: Channel, projection: Projection) -> None:
        self.channel = channel
        self.projection = projection
        self.readers: dict[Reader, None] = {}
        self.is_dirty = False
        self.is_raw = channel.interval == "raw"

    def mark(self) -> int:
        """The mark of a reader that has every message so far."""
        return 0

    def join(self, reader: Reader) -> None:
        """Add a reader; it gets the present state at once, also if it was one before."""
        self.readers[reader] = None
        reader.behind.pop(self, None)
        self.send_state(reader)

    def leave(self, reader: Reader) -> None:
        """Remove a reader."""
        self.readers.pop(reader, None)
        reader.behind.pop(self, None)

    def frame(self, data: bytes) -> bytes:
        """The frame of a message of this channel."""
        return text_frame(jsonrpc_answers.push(self.channel.name, data))

    def publish(self, data: bytes, mark_before: int = 0) -> None:
        """Send a message to every reader that keeps up; for the others, note the mark at which they stopped."""
        frame = self.frame(data)
        for reader in self.readers:
            if reader.is_slow:
                reader.behind.setdefault(self, mark_before)
            else:
                reader.stage(frame)

    def send_state(self, reader: Reader) -> None:
        """Send the first message to a new reader."""

    def catch_up(self, reader: Reader, mark: int) -> None:
        """Send what a reader missed after `mark`: by default the present state."""
        self.send_state(reader)

    def flush(self) -> None:
        """Publish what has gathered since the last message."""


class BookTopic(Topic):
    """`book.X.raw` and `book.X.100ms`: a snapshot, then changes; each names the one before it."""

    def __init__(self, channel: Channel, projection: Projection, contract: Contract) -> None:
        super().__init__(channel, projection)
        self.contract = contract
        self.published_id = 0
        self.gathered: Moves = {}

    @property
    def _book(self) -> Book:
        return self.projection.books.book(self.contract.slot)

    def mark(self) -> int:
        return self.published_id

    def join(self, reader: Reader) -> None:
        book = self._book
        self.flush()
        self.published_id = book.change_id
        super().join(reader)

    def moved(self, moves: Moves) -> None:
        """Gather changed levels."""
        for place, (before, now) in moves.items():
            known = self.gathered.get(place)
            self.gathered[place] = (known[0] if known else before, now)
        self.is_dirty = True

    def flush(self) -> None:
        if not self.gathered:
            return
        gathered, self.gathered = self.gathered, {}
        mark, self.published_id = self.published_id, self._book.change_id
        if self.readers:
            self.publish(self._change(gathered, mark), mark)

    def _change(self, moves: Moves, mark: int) -> bytes:
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        for (side, price), (before, now) in moves.items():
            action = b"delete" if not now else b"change" if before else b"new"
            row = b'["%b",%b,%b]' % (action, self.contract.price_text(price), self.contract.amount_text(now))
            sides[side - 1].append(row)
        return self._data(b"change", sides[0], sides[1], b'"prev_change_id":%d,' % mark)

    def _data(self, kind: bytes, bids: list[bytes], asks: list[bytes], previous: bytes = b"") -> bytes:
        return b'{"type":"%b","timestamp":%d,"instrument_name":%b,%b"change_id":%d,"bids":[%b],"asks":[%b]}' % (
            kind, self.projection.now_ns // 1_000_000, self.contract.json_name, previous, self.published_id,
            b",".join(bids), b",".join(asks),
        )  # fmt: skip

    def send_state(self, reader: Reader) -> None:
        book = self._book
        price_text, amount_text = self.contract.price_text, self.contract.amount_text
        bids, asks = (
            [b'["new",%b,%b]' % (price_text(price), amount_text(lots)) for price, lots in book.best(side, 0)]
            for side in (1, 2)
        )
        reader.stage(self.frame(self._data(b"snapshot", bids, asks)))

    def catch_up(self, reader: Reader, mark: int) -> None:
        book = self._book
        self.flush()
        changes = book.since(mark)
        if changes is None:
            self.send_state(reader)
        elif changes:
            moves = {place: (1, now) for place, now in changes.items()}
            reader.stage(self.frame(self._change(moves, mark)))


class StateTopic(Topic):
    """Channels of which only the latest value counts: ticker, quote, perpetual, index, grouped book, chart."""

    is_polled = True

    def __init__(self, channel: Channel, projection: Projection, contract: Contract) -> None:
        super().__init__(channel, projection)
        self.contract = contract
        self._published = b""
        """The last message with its time left out."""

    def view(self) -> BookView | Candle | TickerView | None:
        """What the channel is about, as it is now; None when there is nothing yet."""
        kind, slot = self.channel.kind, self.contract.slot
        if kind == "grouped_book":
            return self.projection.book(slot, self.channel.depth)
        if kind == "chart":
            return self.projection.latest_candle(slot, self.channel.resolution_s)
        return self.projection.ticker(slot)

    def said(self, view: BookView | Candle | TickerView, time_ns: int) -> bytes:
        """The message about this, as of a time."""
        if isinstance(view, Candle):
            return render.candle(self.contract, view)
        view.time_ns = time_ns
        return self._grouped_book(view) if isinstance(view, BookView) else _SAID[self.channel.kind](self.contract, view)

    def _grouped_book(self, view: BookView) -> bytes:
        return b'{"timestamp":%d,"instrument_name":%b,"change_id":%d,"bids":%b,"asks":%b}' % (
            view.time_ns // 1_000_000, self.contract.json_name, view.change_id,
            render.levels(self.contract, view.bids), render.levels(self.contract, view.asks),
        )  # fmt: skip

    def send_state(self, reader: Reader) -> None:
        view = self.view()
        if view is not None:
            reader.stage(self.frame(self.said(view, self.projection.now_ns)))

    def flush(self) -> None:
        view = self.view()
        if view is None:
            return
        timeless = self.said(view, 0)
        if timeless != self._published:
            self._published = timeless
            self.publish(self.said(view, self.projection.now_ns))


class TradesTopic(Topic):
    """`trades.X`: every trade once, as a list."""

    def __init__(self, channel: Channel, projection: Projection, contract: Contract) -> None:
        super().__init__(channel, projection)
        self.contract = contract
        self.gathered: list[bytes] = []
        self.published_id = 0
        self.last_id = 0

    def traded(self, trade: TradeView, data: bytes) -> None:
        """Gather a trade."""
        if not self.gathered:
            self.published_id = trade.trade_id - 1
        self.gathered.append(data)
        self.is_dirty = True

    def flush(self) -> None:
        if self.gathered:
            gathered, self.gathered = self.gathered, []
            self.publish(render.array(gathered), self.published_id)

    def catch_up(self, reader: Reader, mark: int) -> None:
        self.flush()
        span = Span(first_id=mark + 1, count=MISSED_TRADES)
        found, _ = self.projection.trades(frozenset({self.contract.slot}), span)
        missed = list(found)
        if missed:
            reader.stage(self.frame(render.array(render.trade(self.contract, trade) for trade in reversed(missed))))


class LiquidationsTopic(TradesTopic):
    """`liquidations.X`: every forced trade once, as a list, without account."""

    def catch_up(self, reader: Reader, mark: int) -> None:
        self.flush()
        missed = self.projection.liquidations(self.contract.slot, mark + 1, MISSED_TRADES)
        if missed:
            reader.stage(self.frame(render.array(missed)))


class KindTradesTopic(Topic):
    """`trades.{kind}.{currency}`: every trade of the contracts settled in a currency once, as a list.

    A mark is a place in the history: trade ids of several contracts have no order.
    """

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self.gathered: list[bytes] = []
        self.published_place = projection.history_end

    def wants(self, contract: Contract) -> bool:
        """Whether it is about this contract."""
        return settled_in(contract, self.channel.currency)

    def traded(self, data: bytes) -> None:
        """Gather a trade."""
        self.gathered.append(data)
        self.is_dirty = True

    def flush(self) -> None:
        place, self.published_place = self.published_place, self.projection.history_end
        if self.gathered:
            gathered, self.gathered = self.gathered, []
            self.publish(render.array(gathered), place)

    def catch_up(self, reader: Reader, mark: int) -> None:
        self.flush()
        contracts = self.projection.contracts()
        slots = frozenset(contract.slot for contract in contracts if self.wants(contract))
        found, _ = self.projection.trades(slots, Span(first_place=mark, count=MISSED_TRADES))
        missed = list(found)
        if missed:
            rows = [render.trade(contracts[trade.contract_slot], trade) for trade in reversed(missed)]
            reader.stage(self.frame(render.array(rows)))


class InstrumentStateTopic(Topic):
    """`instrument.state.{kind}.{currency}`: a contract that is new or whose state has changed."""

    is_polled = True

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self.published = self._states()

    def _states(self) -> dict[int, bytes]:
        contracts = self.projection.contracts()
        own = (contract for contract in contracts if settled_in(contract, self.channel.currency))
        return {contract.slot: render.INSTRUMENT_STATE[self.projection.state(contract.slot)] for contract in own}

    def flush(self) -> None:
        states = self._states()
        for slot, state in states.items():
            if state != self.published.get(slot):
                contract = self.projection.contract_at(slot)
                self.publish(render.instrument_state(contract, state, self.projection.now_ns))
        self.published = states

    def catch_up(self, reader: Reader, mark: int) -> None:
        for slot, state in self._states().items():
            contract = self.projection.contract_at(slot)
            reader.stage(self.frame(render.instrument_state(contract, state, self.projection.now_ns)))


class PlatformTopic(Topic):
    """`platform_state`: whether the venue is locked."""

    is_polled = True

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self.published = projection.is_halted()

    def send_state(self, reader: Reader) -> None:
        reader.stage(self.frame(render.platform_state(self.projection.is_halted())))

    def flush(self) -> None:
        halted = self.projection.is_halted()
        if halted != self.published:
            self.published = halted
            self.publish(render.platform_state(halted))


_SAID = {
    "ticker": render.ticker,
    "incremental_ticker": render.incremental_ticker,
    "quote": render.quote,
    "perpetual": render.perpetual,
    "index": render.index_price,
}


def make_topic(channel: Channel, projection: Projection) -> Topic:
    """The topic of a public channel."""
    if channel.kind == "platform_state":
        return PlatformTopic(channel, projection)
    if channel.kind == "kind_trades":
        return KindTradesTopic(channel, projection)
    if channel.kind == "instrument_state":
        return InstrumentStateTopic(channel, projection)
    contract = _contract_of(channel, projection)
    if channel.kind == "book":
        return BookTopic(channel, projection, contract)
    if channel.kind == "liquidations":
        return LiquidationsTopic(channel, projection, contract)
    if channel.kind == "trades":
        return TradesTopic(channel, projection, contract)
    return StateTopic(channel, projection, contract)


def _contract_of(channel: Channel, projection: Projection) -> Contract:
    if channel.contract_slot >= 0:
        return projection.contract_at(channel.contract_slot)
    return next(contract for contract in projection.contracts() if contract.index_name == channel.currency)
