"""Binance's depth and trades as captured from its streams: JSON lines, spot and futures, of any number of symbols.

- *depthUpdate*: sets levels; quantity 0: the level is gone. The rows of one message are one event.
- *A snapshot* (the answer of REST's depth on a line of its own, with a `symbol` or in a capture of one symbol; or a
  partial book of a combined stream): the whole book. It is older than the line it stands on: the updates before it that
  are newer, as many as RECENT of them are remembered, are applied to it again.
- *aggTrade, trade*: see `level_follower`. In a capture with both, only aggTrade is taken.
- Messages of combined streams (`stream`, `data`) are read alike; text before a line's first brace is left out.
- What else comes is counted.

*Gaps.* An update must follow on the last one: by `pu` where there is one, else by `U`. What does not is counted, and
followed all the same: up to the next snapshot the book may not be the venue's. An update that is older than the
snapshot is left out and counted.
*Trades as published* (aggTrades as CSV, `--trades FILE`) come before the first event that is not older. Those of the
capture are then left out and counted.
*Time* is the venue's: `T`, else `E`, in ms, us or ns. A snapshot without a time has that of the message before.
*Ticks and lots*: `--contract SYMBOL,tick=...,lot=...`, else the finest that a symbol's first block shows.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from engine.recordings.batches import ContractSpec, Wanted
from engine.recordings.binance_trades import AggTrades, nanoseconds
from engine.recordings.level_texts import BEYOND, Levels, LevelTexts, Update
from engine.recordings.line_blocks import line_blocks
from engine.recordings.price_levels import SNAPSHOT, TRADE, LevelBlock
from engine.recordings.source import BadLineError, RecordingError, Source
from engine.recordings.trade_merge import AFTER_END, NO_BOOK
from engine.units import INT64_MAX

RECENT = 1_000
"""Updates of a symbol that are remembered for a snapshot that comes after them."""
BLOCK_BYTES = 1 << 22
BLOCK_LEVELS = 1 << 15
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UPDATE = re.compile(rb'"e"\s*:\s*"(depthUpdate|aggTrade)"|"lastUpdateId"\s*:\s*\d')

Number = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]


def is_binance(head: bytes) -> bool:
    """Whether one of the first lines is a message of these streams."""
    return _UPDATE.search(head) is not None


class BinanceMessage(
    msgspec.Struct,
    gc=False,
    rename={
        "kind": "e", "event_time": "E", "time": "T", "name": "s", "first": "U", "last": "u", "before": "pu",
        "bids_set": "b", "asks_set": "a", "price": "p", "quantity": "q", "maker_is_buyer": "m",
        "snapshot": "lastUpdateId",
    },
):  # fmt: skip
    """One message: the fields that matter here of all kinds. `b` and `a` are numbers in messages of trades."""

    kind: str = ""
    event_time: Number = 0
    time: Number = 0
    name: str = ""
    symbol: str = ""
    first: Number = 0
    last: Number = 0
    before: Number | None = None
    bids_set: Levels | int | None = None
    asks_set: Levels | int | None = None
    price: str = ""
    quantity: str = ""
    maker_is_buyer: bool = False
    snapshot: Number | None = None
    bids: Levels | None = None
    asks: Levels | None = None
    stream: str = ""
    data: "BinanceMessage | None" = None


@dataclass
class Market:
    """What is known of a symbol: the id of its last update (0: none yet), that of its snapshot, its recent updates."""

    last: int = 0
    snapshot: int = -1
    recent: deque[Update] = field(default_factory=lambda: deque(maxlen=RECENT))


class BinanceLevels:
    """Decodes one capture."""

    format = "binance"
    total = 0

    def __init__(self, source: Source, wanted: Wanted, skip_bad: bool = False) -> None:
        self.source, self.skip_bad = source, skip_bad
        self.counts: Counter[str] = Counter()
        self.texts = LevelTexts(source.name, wanted, skip_bad)
        self._line, self._time_ns, self._left_out = 0, 0, 0
        self._decoder = msgspec.json.Decoder(BinanceMessage)
        self._markets: dict[str, Market] = {}
        self._early: list[BinanceMessage] = []
        self._published = AggTrades(wanted.trades, self.texts, skip_bad) if wanted.trades else None
        self._merge = self._published.merge() if self._published else None
        self._kinds: set[str] = set()

    @property
    def contracts(self) -> list[ContractSpec]:
        """The symbols that have appeared, with their units."""
        return self.texts.contracts

    @property
    def seen(self) -> set[str]:
        """All symbols, wanted or not."""
        return self.texts.seen

    @property
    def bad(self) -> int:
        """Lines that were left out."""
        return self._left_out + self.texts.bad + (self._published.bad if self._published else 0)

    @property
    def ignored(self) -> dict[str, int]:
        """What had no effect, and gaps."""
        return dict(self.counts) | ({BEYOND: self.texts.beyond} if self.texts.beyond else {})

    def blocks(self) -> Iterator[LevelBlock]:
        """The whole capture; what was read before damage is given out first."""
        failure = None
        try:
            for text in line_blocks(self.source, BLOCK_BYTES):
                for line in text.split(b"\n")[:-1]:
                    self._read(line)
                    if self.texts.levels >= BLOCK_LEVELS:
                        yield self._block()
        except RecordingError as error:
            failure = error
        yield self._block()
        self._finish()
        if failure:
            raise failure

    def _block(self) -> LevelBlock:
        block = self.texts.block(self._line)
        return self._merge.into(block) if self._merge else block

    def _finish(self) -> None:
        """Count what came to nothing."""
        self.counts["snapshots of no known symbol"] += len(self._early)
        if self._merge and self._published:
            self._merge.finish()
            self.counts[AFTER_END] += self._merge.after_end
            self.counts[NO_BOOK] += self._published.alone
        self.counts = +self.counts

    def _error(self, field: str, reason: str) -> BadLineError:
        return BadLineError(self.source.name, self._line, field, reason)

    def _read(self, line: bytes) -> None:
        """Take one line."""
        self._line += 1
        try:
            self._take(self._message(line), "") if line.strip() else None
        except BadLineError:
            if not self.skip_bad:
                raise
            self._left_out += 1

    def _message(self, line: bytes) -> BinanceMessage:
        begin = line.find(b"{")
        if begin < 0:
            raise self._error("line", f"{line[:40].decode('ascii', 'replace')!r} is no JSON object")
        try:
            return self._decoder.decode(line[begin:])
        except _NOT_JSON as error:
            raise self._error("line", f"is no message of a binance capture: {str(error)[:100]}") from error

    # --- messages --------------------------------------------------------------------------------------------------

    def _take(self, message: BinanceMessage, stream: str) -> None:
        if message.data is not None and not stream:
            self._take(message.data, message.stream or "-")
        elif message.kind == "depthUpdate":
            self._update(message)
        elif message.kind in ("aggTrade", "trade"):
            self._trade(message)
        elif message.snapshot is not None and message.bids is not None and message.asks is not None:
            self._snapshot(message, stream)
        else:
            self.counts[f"messages of type {message.kind[:20] or 'none'}"] += 1

    def _time(self, message: BinanceMessage) -> int:
        """The venue's time of a message in nanoseconds, the last one's when it has none."""
        stamp = message.time or message.event_time
        if stamp:
            self._time_ns = nanoseconds(stamp)
        return self._time_ns

    def _known(self, name: str) -> bool:
        """Whether a symbol's messages are wanted."""
        if not self.texts.takes(name, self._line):
            return False
        if name not in self._markets:
            self._markets[name] = Market()
        return True

    def _update(self, message: BinanceMessage) -> None:
        bids, asks = message.bids_set, message.asks_set
        if not isinstance(bids, list) or not isinstance(asks, list):
            raise self._error("b" if not isinstance(bids, list) else "a", "is no list of levels")
        if message.last < message.first:
            raise self._error("u", f"{message.last} is less than U, {message.first}")
        if not self._known(message.name):
            return
        market = self._markets[message.name]
        update = Update(self._line, self._time(message), message.name, 0, bids, asks, message.last)
        if message.last <= market.snapshot:
            self.counts["updates that are older than the snapshot"] += 1
            return
        self._count_gap(market, message)
        market.last = message.last
        market.recent.append(update)
        self.texts.add(update)
        early, self._early = self._early, []
        for snapshot in early:
            self._enter(market, message.name, snapshot)

    def _count_gap(self, market: Market, message: BinanceMessage) -> None:
        """Whether updates are missing before this one; the first after a snapshot must reach over it."""
        if not market.last:
            return
        follows = message.before == market.last if message.before is not None else message.first <= market.last + 1
        after_snapshot = market.last == market.snapshot and message.first <= market.snapshot + 1
        if not follows and not after_snapshot:
            self.counts["gaps in the updates"] += 1

    def _snapshot(self, message: BinanceMessage, stream: str) -> None:
        name = message.symbol or message.name or stream.partition("@")[0].strip("-").upper()
        if not name and len(self._markets) == 1:
            (name,) = self._markets
        elif not name and not self._markets:
            self._early.append(message)
            return
        if not name:
            raise self._error("symbol", "is missing, in a capture of several symbols a snapshot needs it")
        if self._known(name):
            self._enter(self._markets[name], name, message)

    def _enter(self, market: Market, name: str, message: BinanceMessage) -> None:
        """A snapshot, and the updates before it that are newer."""
        assert message.snapshot is not None and message.bids is not None and message.asks is not None
        if message.snapshot < market.snapshot:
            self.counts["snapshots that are older than the last one"] += 1
            return
        time_ns = self._time(message)
        market.snapshot = message.snapshot
        self.texts.add(Update(self._line, time_ns, name, SNAPSHOT, message.bids, message.asks))
        newer = [update for update in market.recent if update.last > message.snapshot]
        for update in newer:
            self.texts.add(Update(self._line, time_ns, name, 0, update.bids, update.asks))
        market.last = newer[-1].last if newer else message.snapshot
        market.recent.clear()
        market.recent.extend(newer)

    def _trade(self, message: BinanceMessage) -> None:
        self._kinds.add(message.kind)
        if self._published:
            self.counts["trades of the capture, beside those of --trades"] += 1
        elif message.kind == "trade" and "aggTrade" in self._kinds:
            self.counts["trades that are in an aggTrade as well"] += 1
        elif self._known(message.name):
            level = [(message.price, message.quantity)]
            taker_buys = not message.maker_is_buyer
            bids, asks = (level, []) if taker_buys else ([], level)
            self.texts.add(Update(self._line, self._time(message), message.name, TRADE, bids, asks))
