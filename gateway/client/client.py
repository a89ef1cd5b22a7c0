"""The Python client: asyncio, typed, exact.

>>> async def main():
...     async with Client("ws://127.0.0.1:8765", KEY_ID, SECRET) as client:
...         placed = await client.buy("BTC_USDC-PERPETUAL", "0.5", price="50000", post_only=True)
...         print(placed.order.order_id, placed.order.order_state)

Numbers are `decimal.Decimal`. After a lost connection the client connects, logs in and subscribes again by itself, and
asks for what its own channels said meanwhile (`venue/resume`), so that its callbacks get every message once, in order.
What the venue cannot tell any more is told to `on_gap`.
"""

import asyncio
import hashlib
import hmac
import itertools
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import numpy as np
import picows

from engine.schema import COMMAND, EVENT
from gateway import clock
from gateway.client.answers import Order, Placed, Position, Trade
from gateway.client.errors import HANDED_OVER, Disconnected, RpcError
from gateway.client.leaders import Leader, find_leader
from gateway.client.local_book import LocalBook
from gateway.client.messages import EXACT, HEARTBEAT, MESSAGE, PUSH, Message
from gateway.client.sent_rows import RowSender
from gateway.client.subscriptions import Callback, Gap, Subscriptions, tell

BINARY_PROTOCOL = "lionrock.binary.v1"
RECONNECT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
REQUEST_SECONDS = 10.0
LOOK_SECONDS = 0.1
"""With several addresses: a leader that owes an answer for so long is looked for at the others, so often."""
PING_SECONDS = 10.0
"""A connection is asked for a sign of life after so long without a message, and given up when none comes as long again.

Without that a cable that was pulled out, or a router that forgot the connection, would look like a quiet market.
"""
_LOG = logging.getLogger("lionrock.client")

Amount = Decimal | str | int
T = TypeVar("T")
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class _Listener(picows.WSListener):
    """The listener that the websocket library calls."""

    def __init__(self, client: "Client") -> None:
        super().__init__()
        self._client = client
        self.ended = asyncio.Event()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if self._client._listener is not self:
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.TEXT:
            self._client._received(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.BINARY:
            self._client._rows_received(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        self._client._lost(self)
        self.ended.set()


class Client:
    """One connection to a venue. `binary` chooses the sub-protocol of command rows; JSON calls still work.

    With several addresses, those of a cluster's nodes, it connects to the node that leads, and after a takeover again.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        key_id: str = "",
        secret: str = "",
        binary: bool = False,
        reconnect: bool = True,
    ) -> None:
        self._urls = [_endpoint(url)] if isinstance(url, str) else [_endpoint(each) for each in url]
        if not self._urls:
            raise ValueError("url: name at least one address, such as ws://127.0.0.1:8765")
        self.url = self._urls[0]
        """The node that it is connected to."""
        self._epoch = 0
        self._found: Leader | None = None
        """Whom the next connection goes to, when that is known already."""
        self.key_id = key_id
        self.on_rows: Callable[[Any], None] = _ignore
        self.on_refusal: Callable[[RpcError], None] = _ignore
        """Called with the refusal of a frame of rows, and of a channel that is not there any more after a reconnect.

        With several addresses, frames that a node refuses as it has handed over are sent to the next one instead.
        """
        self.on_gap: Callable[[Gap], None] = _warn
        """Called with what the venue cannot tell any more of a lost connection's time; by default it is logged."""
        self.is_connected = asyncio.Event()
        self._secret = secret
        self._binary = binary
        self._reconnect = reconnect
        self._transport: Any = None
        self._listener: _Listener | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._channels = Subscriptions(self.is_connected, self._answer, self._spawn, self._refuse, self._miss)
        self.books = self._channels.books
        """The copies of books that it keeps, by channel."""
        self._rows = RowSender(binary and reconnect and len(self._urls) > 1, self._send_frame, self._mark, self._refuse)
        self._closing = False
        self._is_leaving = False
        """Whether the node has said that another one leads: the connection ends once each request has its answer."""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the connection -------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "Client":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def sequence(self) -> int:
        """The last sequence seen on an own channel."""
        return self._channels.sequence

    async def connect(self) -> None:
        """Connect, log in if there is a key, subscribe again, and get what the own channels said meanwhile."""
        try:
            await self._open()
        except BaseException:
            self._drop()
            raise
        self._rows.go_on()
        self.is_connected.set()
        if len(self._urls) > 1:
            self._spawn(self._look_for_leader())

    async def _choose(self) -> None:
        """Take the node that leads. Disconnected when none of them does now."""
        leader, self._found = self._found, None
        if leader is None:
            leader = await find_leader(self._urls, self._epoch)
        if leader is None or leader.epoch < self._epoch:
            raise Disconnected(f"none of {', '.join(self._urls)} leads the venue now")
        self._epoch, self.url = leader.epoch, leader.url

    async def _look_for_leader(self) -> None:
        """Leave a node that owes an answer while another one leads: it may be cut off, or stand still.

        One that has handed over answers soon, and its answer says what was not taken.
        """
        listener, waiting, has_waited = self._listener, set[int](), False
        while self._listener is listener and self.is_connected.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            owed, waiting = waiting & self._waiting.keys(), set(self._waiting)
            if owed and self._transport is not None:
                leader = await find_leader([url for url in self._urls if url != self.url], self._epoch)
                if leader is None or leader.epoch <= self._epoch or not owed & self._waiting.keys():
                    continue
                if leader.began == "handover" and not has_waited:
                    has_waited = True
                elif self._listener is listener:
                    self._found = leader
                    self._transport.disconnect(False)

    async def _open(self) -> None:
        if len(self._urls) > 1:
            await self._choose()
        listener = self._listener = _Listener(self)
        headers = {"Sec-WebSocket-Protocol": BINARY_PROTOCOL} if self._binary else None
        self._transport, _ = await picows.ws_connect(
            lambda: listener, self.url, extra_headers=headers, max_frame_size=1 << 26, enable_auto_ping=True,
            auto_ping_idle_timeout=PING_SECONDS, auto_ping_reply_timeout=PING_SECONDS,
        )  # fmt: skip
        if self._transport.is_disconnected:
            hint = "" if self.url.startswith("wss:") else "; a venue with a certificate is reached by wss://"
            raise Disconnected(f"{self.url} ended the connection at once{hint}")
        if self.key_id:
            await self.log_in()
        await self._channels.follow()
        if self._transport.is_disconnected:
            raise Disconnected(f"{self.url} ended the connection at once")
        self._channels.go_on()

    def _drop(self) -> None:
        """Give up a connection that did not come about."""
        self._listener = None
        self._lose_requests()
        self._channels.lost()
        if self._transport is not None:
            self._transport.disconnect()

    async def log_in(self) -> None:
        """Log in with an HMAC over time and nonce; the secret is never sent."""
        stamp, nonce = str(clock.wall_ns() // 1_000_000), secrets.token_hex(8)
        text = f"{stamp}\n{nonce}\n".encode()
        signature = hmac.new(self._secret.encode(), text, hashlib.sha256).hexdigest()
        await self.call(
            "public/auth", grant_type="client_signature", client_id=self.key_id, timestamp=int(stamp), nonce=nonce,
            data="", signature=signature,
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connection and do not connect again. Orders stay unless cancel-on-disconnect was asked for."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()
        await asyncio.sleep(0)

    def _lost(self, listener: _Listener) -> None:
        """A connection is gone. One that was only coming about is tried again by whoever tries."""
        if listener is not self._listener:
            return
        was_connected, has_left = self.is_connected.is_set(), self._is_leaving
        self._is_leaving = False
        self.is_connected.clear()
        self._lose_requests()
        self._channels.lost()
        if was_connected and self._reconnect and not self._closing:
            self._spawn(self._come_back(has_left or self._found is not None))

    def _lose_requests(self) -> None:
        self._rows.lost()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Disconnected("the connection was lost before the answer came"))

    async def _come_back(self, at_once: bool) -> None:
        waits = RECONNECT_SECONDS if len(self._urls) == 1 else RECONNECT_SECONDS[:1]
        if at_once:
            waits = (0.0, *waits)
        for seconds in itertools.chain(waits, itertools.repeat(waits[-1])):
            await asyncio.sleep(seconds)
            try:
                await self.connect()
                return
            except (TimeoutError, OSError, picows.WSError, RpcError, Disconnected):
                continue

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- requests -------------------------------------------------------------------------------------------------

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method; returns its result, numbers exact. RpcError for an error answer, Disconnected without one."""
        return EXACT.decode((await self._answer(method, params)).result)

    async def _typed(self, kind: type[T], method: str, **params: Any) -> T:
        return msgspec.json.decode((await self._answer(method, params)).result, type=kind)

    async def _answer(self, method: str, params: dict[str, Any]) -> Message:
        return await self._taken(self._send([(method, params)])[0], method, params, REQUEST_SECONDS)

    async def _taken(
        self, future: asyncio.Future[Message], method: str, params: dict[str, Any], seconds: float | None = None
    ) -> Message:
        """The answer of a node that takes the request: one that was not taken, as another node leads, is sent there.

        Where that node is not reached in time the refusal stands, so that it is certain that nothing was taken.
        """
        while True:
            listener = self._listener
            try:
                async with asyncio.timeout(seconds):
                    return await future
            except RpcError as error:
                if error.reason != HANDED_OVER or not self._reconnect or self._closing or listener is None:
                    raise
                refusal = error
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    await listener.ended.wait()
                    await self.is_connected.wait()
            except TimeoutError:
                raise refusal from None
            future = self._send([(method, params)])[0]

    def _leave_if_free(self) -> None:
        """End a connection to a node that does not lead any more, once it owes nothing."""
        if self._is_leaving and not self._waiting and self._transport is not None:
            self._transport.disconnect()

    async def batch(self, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Make several calls in one write; returns the results in order, an RpcError in the place of a refused one."""
        sent = zip(self._send(calls), calls, strict=True)
        answers = await asyncio.gather(*(self._taken(future, *call) for future, call in sent), return_exceptions=True)
        return [EXACT.decode(answer.result) if isinstance(answer, Message) else answer for answer in answers]

    def _send(self, calls: list[tuple[str, dict[str, Any]]]) -> list[asyncio.Future[Message]]:
        if self._transport is None or self._transport.is_disconnected:
            raise Disconnected("not connected; wait for `is_connected`")
        loop = asyncio.get_running_loop()
        futures = []
        for method, params in calls:
            number = next(self._ids)
            given = {name: value for name, value in params.items() if value is not None}
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
            future = loop.create_future()
            self._waiting[number] = future
            self._rows.requested(number)
            futures.append(future)
            self._transport.send(picows.WSMsgType.TEXT, _ENCODE(message))
        return futures

    def _received(self, data: bytes) -> None:
        message = MESSAGE.decode(data)
        if message.id is not None:
            future = self._waiting.pop(message.id, None)
            error = RpcError(EXACT.decode(message.error)) if bytes(message.error) else None
            self._rows.answered(message.id, error)
            if future is None or future.done():
                return
            if error is not None:
                self._is_leaving |= error.reason == HANDED_OVER and self._reconnect
                future.set_exception(error)
            else:
                future.set_result(message)
            self._leave_if_free()
        elif message.method == "subscription":
            self._channels.push(PUSH.decode(message.params))
        elif bytes(message.error):
            self._is_leaving |= self._rows.refused(RpcError(EXACT.decode(message.error)))
        elif message.method == "heartbeat" and HEARTBEAT.decode(message.params).type == "test_request":
            self._transport.send(picows.WSMsgType.TEXT, b'{"jsonrpc":"2.0","id":0,"method":"public/test"}')

    # --- channels -------------------------------------------------------------------------------------------------

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """Call a function with the data of each message of a channel, also after a reconnect.

        ValueError when there is no such channel. Without an answer, or with a refusal, nothing is subscribed.
        """
        await self._channels.subscribe(channel, callback)

    async def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        await self._channels.unsubscribe(channel)

    async def book(self, instrument_name: str, interval: str = "raw") -> LocalBook:
        """Keep a local copy of a book and check it; a new snapshot replaces it when the chain breaks.

        Asked for again, it is the same copy.
        """
        return await self._channels.book(instrument_name, interval)

    # --- trading --------------------------------------------------------------------------------------------------

    async def buy(self, instrument_name: str, amount: Amount, **params: Any) -> Placed:
        """Place a buy order; the parameters are those of `private/buy`."""
        return await self._place("private/buy", instrument_name, amount, params)

    async def sell(self, instrument_name: str, amount: Amount, **params: Any) -> Placed:
        """Place a sell order."""
        return await self._place("private/sell", instrument_name, amount, params)

    async def _place(self, method: str, instrument_name: str, amount: Amount, params: dict[str, Any]) -> Placed:
        return await self._typed(Placed, method, instrument_name=instrument_name, amount=amount, **params)

    async def edit(self, order_id: str, amount: Amount | None = None, price: Amount | None = None) -> Placed:
        """Amend an order; the amount is the total including what is filled."""
        return await self._typed(Placed, "private/edit", order_id=order_id, amount=amount, price=price)

    async def cancel(self, order_id: str) -> Order:
        """Cancel an order."""
        return await self._typed(Order, "private/cancel", order_id=order_id)

    async def cancel_all(self, instrument_name: str | None = None) -> int:
        """Cancel all orders, or those of one contract; how many there were."""
        if instrument_name is None:
            return int(await self.call("private/cancel_all"))
        return int(await self.call("private/cancel_all_by_instrument", instrument_name=instrument_name))

    async def open_orders(self) -> list[Order]:
        """Open and untriggered orders."""
        return await self._typed(list[Order], "private/get_open_orders")

    async def positions(self) -> list[Position]:
        """Positions that are not flat."""
        return await self._typed(list[Position], "private/get_positions")

    async def user_trades(self, instrument_name: str, count: int = 100) -> list[Trade]:
        """Own trades, newest first."""
        raw = await self.call("private/get_user_trades_by_instrument", instrument_name=instrument_name, count=count)
        return msgspec.convert(raw["trades"], list[Trade], strict=False)

    # --- rows -----------------------------------------------------------------------------------------------------

    def send_rows(self, rows: Any) -> None:
        """Send COMMAND rows in one frame; their reports come to `on_rows` as EVENT rows. See `sent_rows`."""
        if rows.dtype != COMMAND or not self._binary:
            raise ValueError("rows: COMMAND rows, on a client made with binary=True")
        if self._transport is None or self._transport.is_disconnected:
            raise Disconnected("not connected; wait for `is_connected`")
        self._rows.send(rows.tobytes())

    def _send_frame(self, frame: bytes) -> None:
        self._transport.send(picows.WSMsgType.BINARY, frame)

    def _mark(self) -> int:
        """Ask for anything: the answer says that all rows before it were served. The request's number."""
        (future,) = self._send([("public/test", {})])
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return next(reversed(self._waiting))

    def _refuse(self, error: RpcError) -> None:
        tell(self.on_refusal, error, "on_refusal")

    def _miss(self, gap: Gap) -> None:
        tell(self.on_gap, gap, "on_gap")

    def _rows_received(self, data: bytes) -> None:
        self.on_rows(np.frombuffer(data, EVENT))


def _endpoint(url: str) -> str:
    return url if url.endswith("/ws/api/v2") else url.rstrip("/") + "/ws/api/v2"


def _ignore(said: Any) -> None:
    return None


def _warn(gap: Gap) -> None:
    _LOG.warning("messages of %s are lost: %s", ", ".join(gap.channels), gap.reason)
