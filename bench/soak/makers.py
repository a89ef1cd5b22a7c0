"""The bulk of the load: connections that place orders around the index and cancel the oldest, as JSON or as rows.

Each sends in batches, keeps as many orders open as an account may have, and writes down what it was told. After a cut
connection it logs in again and cancels whatever it does not know to be over.
"""

import asyncio
import time
from abc import abstractmethod
from collections import Counter, deque
from contextlib import suppress
from typing import Any

import numpy as np
import picows

from bench.attacked_venue import log_in
from bench.gateway_load import READ_BYTES, client_frame
from bench.soak import ledger
from bench.soak.ledger import Ledger
from bench.soak.served_venue import ServedVenue
from engine.codes import CommandKind, EventKind, ExecInst, OrdType, Reason, Side, TimeInForce
from engine.schema import COMMAND, EVENT
from gateway.client.client import BINARY_PROTOCOL
from gateway.office.bootstrap import Trader

OPEN_ORDERS = 400
"""Open orders of one maker; an account may have 1,000."""
LEVELS, NEAREST_TICKS = 20, 10
"""Over how many prices a maker spreads its orders, and how far from the index the nearest is."""
RECOVERED_AT_ONCE = 100
RETRY_SECONDS = 0.2
HALF_TICK = 0.5
LOTS = 10
_ERROR_HEAD = 48
_ID_AT = len('{"jsonrpc":"2.0","id":')


class Market:
    """What the load knows of a contract: its slot, name, tick and index."""

    def __init__(self, slot: int, name: str, tick: float, index: float) -> None:
        self.slot, self.name, self.tick, self.index = slot, name, tick, index

    @property
    def index_ticks(self) -> int:
        """The index in ticks."""
        return round(self.index / self.tick)


class Maker(picows.WSListener):
    """One account on one connection. `refusals` counts what the venue did not do, by reason."""

    protocol = ""
    cancels = True

    def __init__(self, trader: Trader, market: Market, side: Side) -> None:
        super().__init__()
        self.trader, self.market, self.side = trader, market, side
        self.ledger = Ledger()
        self.answered = self.cut_cancels = self.lost_connections = 0
        self.out_of_order = 0
        """Answers that came before or after their turn."""
        self.under_way = 0
        """Commands without an answer."""
        self.is_connected = False
        self.refusals: Counter[str] = Counter()
        self._transport: Any = None
        self._reply: asyncio.Future[bytes] | None = None
        self._recovering: Any = np.zeros(0, np.int64)

    def __str__(self) -> str:
        state = f"{self.under_way} commands without an answer" if self.is_connected else "not connected"
        return f"{type(self).__name__} of account {self.trader.account_slot}: {state}"

    async def connect(self, url: str) -> None:
        """Connect and log in; tried until it works."""
        headers = {"Sec-WebSocket-Protocol": self.protocol} if self.protocol else None
        while not self.is_connected:
            with suppress(OSError, picows.WSError, TimeoutError):
                transport, _ = await picows.ws_connect(
                    lambda: self, url, extra_headers=headers, max_frame_size=1 << 26, read_buffer_init_size=READ_BYTES
                )
                self._transport = transport.underlying_transport
                self._reply = asyncio.get_running_loop().create_future()
                transport.send(picows.WSMsgType.TEXT, log_in(self.trader))
                async with asyncio.timeout(10):
                    self.is_connected = b'"error"' not in (await self._reply)[:_ERROR_HEAD]
            if not self.is_connected:
                await asyncio.sleep(RETRY_SECONDS)

    def on_ws_disconnected(self, transport: Any) -> None:
        """The connection was cut: what has no answer is open again, and cancelled first when it is back."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(OSError("cut before the login was answered"))
        if not self.is_connected:
            return
        self.is_connected = False
        self.lost_connections += 1
        self.cut_cancels += self.ledger.cut()
        self.under_way = 0
        self._forget_under_way()
        self._recovering = self.ledger.open
        self.ledger.open = np.zeros(0, np.int64)

    def _forget_under_way(self) -> None:
        """Nothing more is answered of what was under way."""

    def pause_writing(self) -> None:
        """What is written waits: no more is sent than the rate says."""

    def resume_writing(self) -> None:
        """It goes on by itself."""

    def step(self, count: int) -> None:
        """Send so many commands, about half of them cancels; after a cut connection those that are still open first."""
        if not self.is_connected or count < 1:
            return
        if len(self._recovering):
            size = min(len(self._recovering), max(count, RECOVERED_AT_ONCE))
            again, self._recovering = self._recovering[:size], self._recovering[size:]
            self.ledger.note(again, ledger.CANCEL_SENT)
            self._send(np.zeros(0, np.int64), again)
            return
        fresh = max(1, count // 2)
        placed = self.ledger.take_ids(fresh)
        self._send(placed, self.ledger.oldest(max(0, len(self.ledger.open) - OPEN_ORDERS)))

    def finish(self) -> None:
        """Cancel what is open, a part of it at a time."""
        if self.is_connected:
            if not len(self._recovering):
                self._recovering, self.ledger.open = self.ledger.open, np.zeros(0, np.int64)
            if len(self._recovering):
                self.step(RECOVERED_AT_ONCE)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is open or under way."""
        return not (len(self.ledger.open) or len(self._recovering) or self.under_way)

    @abstractmethod
    def _send(self, placed: Any, cancelled: Any) -> None:
        """Send orders and cancels by their ids, in one write."""

    def _prices(self, ids: Any) -> Any:
        """A price in ticks for each id: behind the index, spread over some levels."""
        away = NEAREST_TICKS + ids % LEVELS
        return self.market.index_ticks + (away if self.side == Side.SELL else -away)

    def close(self) -> None:
        """Leave."""
        self.is_connected = False
        if self._transport is not None:
            self._transport.close()


class JsonMaker(Maker):
    """Sends JSON; answers come in the order of the requests."""

    def __init__(self, trader: Trader, market: Market, side: Side) -> None:
        super().__init__(trader, market, side)
        self._asked: deque[int] = deque()
        self._heard: list[bytes] = []

    def _forget_under_way(self) -> None:
        self._asked.clear()
        self._heard.clear()

    def _send(self, placed: Any, cancelled: Any) -> None:
        frames = []
        method = "buy" if self.side == Side.BUY else "sell"
        head = (
            f'"method":"private/{method}","params":{{"instrument_name":"{self.market.name}",'
            f'"amount":{LOTS / 1000},"type":"limit",{self._how},'
        )
        for number, ticks in zip(placed.tolist(), self._prices(placed).tolist(), strict=True):
            price = f"{ticks * self.market.tick:.2f}"
            message = f'{{"jsonrpc":"2.0","id":{2 * number},{head}"price":{price},"cl_ord_id":{number}}}}}'
            frames.append(client_frame(message.encode()))
            self._asked.append(2 * number)
        cancel = '"method":"private/cancel","params":'
        for number in cancelled.tolist():
            request_id = 2 * number + 1
            message = f'{{"jsonrpc":"2.0","id":{request_id},{cancel}{{"cl_ord_id":{number}}}}}'
            frames.append(client_frame(message.encode()))
            self._asked.append(request_id)
        self.under_way += len(frames)
        if frames:
            self._transport.write(b"".join(frames))

    _how = '"post_only":true'

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Take an answer; the book is brought up to date once for all that one read brought."""
        if frame.msg_type == picows.WSMsgType.TEXT:
            if self._reply is not None:
                if not self._reply.done():
                    self._reply.set_result(frame.get_payload_as_bytes())
                self._reply = None
                return
            self._heard.append(bytes(frame.get_payload_as_memoryview()[:_ERROR_HEAD * 8]))
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        if frame.last_in_buffer and self._heard:
            self._take()

    def _take(self) -> None:
        heard, self._heard = self._heard, []
        asked = np.array([int(head[_ID_AT : head.index(b",", _ID_AT)]) for head in heard], np.int64)
        expected = [self._asked.popleft() for _ in heard]
        self.out_of_order += int(np.count_nonzero(asked != expected))
        refused = np.array([b'"error"' in head[:_ERROR_HEAD] for head in heard])
        placed = asked % 2 == 0
        ids = asked // 2
        book = self.ledger
        book.note(ids[placed & ~refused], ledger.NEW_TOLD)
        book.note(ids[placed & refused], ledger.NEW_REFUSED)
        book.note(ids[~placed & ~refused], ledger.CANCEL_TOLD)
        book.note(ids[~placed & refused], ledger.CANCEL_REFUSED)
        for head, is_refused, number in zip(heard, refused.tolist(), asked.tolist(), strict=True):
            if is_refused:
                self.refusals[f"cancel: {_reason(head)}" if number % 2 else _reason(head)] += 1
        self.answered += len(heard)
        self.under_way -= len(heard)


def _reason(answer: bytes) -> str:
    """The reason in the beginning of an error answer."""
    _, found, rest = answer.partition(b'"reason":"')
    if not found:
        _, found, rest = answer.partition(b'"message":"')
    return rest.partition(b'"')[0].decode(errors="replace") if found else "unknown"


class Taker(JsonMaker):
    """Trades at once, each side in turn so that its position stays small; nothing of it rests."""

    cancels = False
    _how = '"time_in_force":"immediate_or_cancel"'

    def step(self, count: int) -> None:
        """Send so many orders."""
        if self.is_connected and count >= 1:
            self.side = Side.SELL if self.side == Side.BUY else Side.BUY
            placed = self.ledger.take_ids(count)
            self.ledger.open = np.zeros(0, np.int64)
            self._send(placed, placed[:0])

    def on_ws_disconnected(self, transport: Any) -> None:
        """What has no answer stays unknown: an immediate order leaves nothing open."""
        super().on_ws_disconnected(transport)
        self._recovering = self.ledger.open

    def _prices(self, ids: Any) -> Any:
        ticks = self.market.index_ticks
        away = np.full(len(ids), ticks // 100)
        return ticks + (away if self.side == Side.BUY else -away)


class RowMaker(Maker):
    """Sends rows; its reports are events that name the order."""

    protocol = BINARY_PROTOCOL

    def _send(self, placed: Any, cancelled: Any) -> None:
        rows = np.zeros(len(placed) + len(cancelled), COMMAND)
        if not len(rows):
            return
        news, cancels = rows[: len(placed)], rows[len(placed) :]
        news["kind"], news["side"], news["ord_type"] = CommandKind.NEW, self.side, OrdType.LIMIT
        news["tif"], news["contract_slot"], news["qty_lots"] = TimeInForce.GTC, self.market.slot, LOTS
        news["flags"], news["price_ticks"], news["cl_ord_id"] = ExecInst.POST_ONLY, self._prices(placed), placed
        cancels["kind"], cancels["cl_ord_id"] = CommandKind.CANCEL, cancelled
        self.under_way += len(rows)
        self._transport.write(client_frame(rows.tobytes(), True))

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Take a frame of events, or the answer of the login."""
        if frame.msg_type == picows.WSMsgType.BINARY:
            self._take(np.frombuffer(frame.get_payload_as_bytes(), EVENT))
        elif frame.msg_type == picows.WSMsgType.TEXT:
            if self._reply is not None and not self._reply.done():
                self._reply.set_result(frame.get_payload_as_bytes())
                self._reply = None
            else:
                self.refusals[_reason(frame.get_payload_as_bytes())] += 1
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def _take(self, events: Any) -> None:
        kinds, ids, book = events["kind"], events["cl_ord_id"], self.ledger
        placed, cancelled = ids[kinds == EventKind.ACCEPTED], ids[kinds == EventKind.CANCELLED]
        rejected = events[kinds == EventKind.REJECTED]
        book.note(placed, ledger.NEW_TOLD)
        book.note(cancelled, ledger.CANCEL_TOLD)
        for number, reason in zip(rejected["cl_ord_id"].tolist(), rejected["reason"].tolist(), strict=True):
            is_new = not book.flags[number] & (ledger.NEW_TOLD | ledger.NEW_REFUSED)
            book.note(number, ledger.NEW_REFUSED if is_new else ledger.CANCEL_REFUSED)
            self.refusals[("" if is_new else "cancel: ") + Reason(reason).name] += 1
        answered = len(placed) + len(cancelled) + len(rejected)
        self.answered += answered
        self.under_way = max(0, self.under_way - answered)


class Bulk:
    """All makers and takers, and the clock that has them send. `rate` is in commands a second for all together."""

    TICK_SECONDS = 0.005
    TAKER_SHARE = 0.01
    STANDSTILL_SECONDS, EXCUSED_SECONDS = 5.0, 60.0
    """A load that stood still for so long was suspended, and what its clients miss for some time is not held against
    the venue."""
    LONGEST_GAP_SECONDS = 0.1
    """After a longer pause of the load itself no more is sent at once than for so long."""

    def __init__(self, makers: list[Maker], venue: ServedVenue) -> None:
        self.makers = makers
        self.standstills = 0
        self._venue = venue
        self.rate = 0.0
        self.window = 0
        """Instead of a rate: commands under way on each connection."""
        self.lag_s = 0.0
        """How late the load itself was at most since this was last set to 0."""
        self._owed = [0.0] * len(makers)

    def answered(self) -> int:
        """Commands answered so far."""
        return sum(maker.answered for maker in self.makers)

    async def run(self) -> None:
        """Connect, send, connect again, for ever."""
        last = time.monotonic()
        connecting: dict[int, asyncio.Task[None]] = {}
        shares = [self.TAKER_SHARE if not maker.cancels else 1.0 for maker in self.makers]
        while True:
            now = time.monotonic()
            if now - last > self.STANDSTILL_SECONDS:
                self.standstills += 1
                self._venue.excused_until = now + self.EXCUSED_SECONDS
            self.lag_s = max(self.lag_s, now - last - self.TICK_SECONDS)
            passed, last = min(now - last, self.LONGEST_GAP_SECONDS), now
            for place, maker in enumerate(self.makers):
                if not maker.is_connected:
                    if place not in connecting or connecting[place].done():
                        connecting[place] = asyncio.get_running_loop().create_task(maker.connect(self._venue.url))
                    continue
                if self.window:
                    maker.step(self.window - maker.under_way if maker.cancels else 0)
                    continue
                self._owed[place] += self.rate * passed * shares[place] / sum(shares)
                count = int(self._owed[place])
                count -= count % 2 if maker.cancels else 0
                self._owed[place] -= count
                if self.rate:
                    maker.step(count)
            await asyncio.sleep(self.TICK_SECONDS if not self.window else self.TICK_SECONDS / 5)
