"""The Python client: asyncio, typed, exact.

>>> async def main():
...     async with Client("ws://127.0.0.1:8765", KEY_ID, SECRET) as client:
...         placed = await client.buy("BTC_USDC-PERPETUAL", "0.5", price="50000", post_only=True)
...         print(placed.order.order_id, placed.order.order_state)

Numbers are `decimal.Decimal`. After a lost connection the client connects, logs in and subscribes again by itself, and
asks for the orders and trades that it missed (`venue/resume`), so that its callbacks get everything once.
"""

import asyncio
import hashlib
import hmac
import itertools
import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import numpy as np
import picows

from engine.schema import COMMAND, EVENT
from gateway import clock
from gateway.client.local_book import BookBroken, LocalBook
from gateway.wire.reasons import in_words

BINARY_PROTOCOL = "lionrock.binary.v1"
RECONNECT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
REQUEST_SECONDS = 10.0
SEEN_TRADES = 10_000
FAR_SEQUENCE = 10**17
"""The highest sequence: a resume from here returns no events, only the present sequence."""

Amount = Decimal | str | int
Callback = Callable[[Any], None]
T = TypeVar("T")


class RpcError(Exception):
    """The venue's error answer: `code`, `reason`, the parameter at fault, its value, the limit and what would pass."""

    def __init__(self, error: dict[str, Any]) -> None:
        data = error.get("data") or {}
        self.code = int(error["code"])
        self.reason = str(data.get("reason", error["message"]))
        self.param = data.get("param")
        self.wait_ms = int(data.get("wait_ms", 0))
        self.value, self.limit, self.remedy = (data.get(name) for name in ("value", "limit", "remedy"))
        words = data.get("message") or in_words(self.reason)
        parts = (f"{error['message']} ({self.code})", self.param, self.reason, words)
        super().__init__(": ".join(filter(None, parts)))


class Disconnected(Exception):  # noqa: N818 - a state of the connection
    """The connection was lost; whether the request was served is not known. Look for orders by their `cl_ord_id`."""


class Order(msgspec.Struct, kw_only=True):
    """An order as the venue reports it."""

    order_id: str
    instrument_name: str
    direction: str
    order_type: str
    order_state: str
    price: Decimal | None = None
    amount: Decimal
    filled_amount: Decimal
    average_price: Decimal
    label: str = ""
    time_in_force: str = ""
    post_only: bool = False
    reduce_only: bool = False
    creation_timestamp: int = 0
    last_update_timestamp: int = 0
    cl_ord_id: int = 0
    cancel_reason: str = ""
    trigger_price: Decimal | None = None


class Trade(msgspec.Struct, kw_only=True):
    """A trade; only own trades have the last fields."""

    trade_id: str
    trade_seq: int
    timestamp: int
    instrument_name: str
    price: Decimal
    amount: Decimal
    direction: str
    order_id: str = ""
    liquidity: str = ""
    fee: Decimal = Decimal(0)
    label: str = ""


class Placed(msgspec.Struct):
    """The answer to an order: the order and the trades that it made at once."""

    order: Order
    trades: list[Trade]


class Position(msgspec.Struct, kw_only=True):
    """A position; `size` is negative when short."""

    instrument_name: str
    direction: str
    size: Decimal
    average_price: Decimal
    mark_price: Decimal | None = None
    floating_profit_loss: Decimal = Decimal(0)
    realized_profit_loss: Decimal = Decimal(0)
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    leverage: int = 0
    estimated_liquidation_price: Decimal | None = None


class _Message(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")


class _Push(msgspec.Struct):
    channel: str
    data: msgspec.Raw


class _Event(msgspec.Struct):
    sequence: int
    kind: str
    data: msgspec.Raw


class _Resumed(msgspec.Struct):
    sequence: int
    has_more: bool
    events: list[_Event]


_MESSAGE = msgspec.json.Decoder(_Message)
_PUSH = msgspec.json.Decoder(_Push)
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class _Listener(picows.WSListener):
    """The listener that the websocket library calls."""

    def __init__(self, client: "Client") -> None:
        super().__init__()
        self._client = client

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            self._client._received(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.BINARY:
            self._client._rows_received(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: Any) -> None:
        self._client._lost(transport)


class Client:
    """One connection to a venue. `binary` chooses the sub-protocol of command rows; JSON calls still work."""

    def __init__(
        self, url: str, key_id: str = "", secret: str = "", binary: bool = False, reconnect: bool = True
    ) -> None:
        self.url = url if url.endswith("/ws/api/v2") else url.rstrip("/") + "/ws/api/v2"
        self.key_id = key_id
        self.on_rows: Callable[[Any], None] = _ignore
        self.on_refusal: Callable[[RpcError], None] = _ignore
        """Called with the refusal of a frame of rows."""
        self.books: dict[str, LocalBook] = {}
        self.sequence = 0
        self.is_connected = asyncio.Event()
        self._secret = secret
        self._binary = binary
        self._reconnect = reconnect
        self._transport: Any = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._callbacks: dict[str, list[Callback]] = {}
        self._seen: dict[str, None] = {}
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the connection -------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "Client":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect, log in if there is a key, and subscribe again."""
        headers = {"Sec-WebSocket-Protocol": BINARY_PROTOCOL} if self._binary else None
        self._transport, _ = await picows.ws_connect(
            lambda: _Listener(self), self.url, extra_headers=headers, max_frame_size=1 << 26
        )
        if self._transport.is_disconnected:
            hint = "" if self.url.startswith("wss:") else "; a venue with a certificate is reached by wss://"
            raise Disconnected(f"{self.url} ended the connection at once{hint}")
        if self.key_id:
            await self.log_in()
        self.is_connected.set()
        if self._callbacks:
            await self._subscribe(list(self._callbacks))

    async def log_in(self) -> None:
        """Log in with an HMAC over time and nonce; the secret is never sent. An officer's key has nothing to resume."""
        stamp, nonce = str(clock.wall_ns() // 1_000_000), secrets.token_hex(8)
        text = f"{stamp}\n{nonce}\n".encode()
        signature = hmac.new(self._secret.encode(), text, hashlib.sha256).hexdigest()
        grant = await self.call(
            "public/auth", grant_type="client_signature", client_id=self.key_id, timestamp=int(stamp), nonce=nonce,
            data="", signature=signature,
        )  # fmt: skip
        if "read" not in grant["scope"].split():
            return
        if self.sequence:
            await self._catch_up()
        else:
            self.sequence = (await self._resumed(FAR_SEQUENCE)).sequence

    async def close(self) -> None:
        """Close the connection, which logs out, and do not connect again."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()
        await asyncio.sleep(0)

    def _lost(self, transport: Any) -> None:
        if transport is not self._transport and self._transport is not None:
            return
        self.is_connected.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Disconnected("the connection was lost before the answer came"))
        if self._reconnect and not self._closing:
            self._spawn(self._come_back())

    async def _come_back(self) -> None:
        for seconds in itertools.chain(RECONNECT_SECONDS, itertools.repeat(RECONNECT_SECONDS[-1])):
            await asyncio.sleep(seconds)
            try:
                await self.connect()
                return
            except (TimeoutError, OSError, picows.WSError, RpcError, Disconnected):
                continue

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- requests -------------------------------------------------------------------------------------------------

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method; returns its result, numbers exact. RpcError for an error answer, Disconnected without one."""
        return _EXACT.decode(await self._raw(method, params))

    async def _typed(self, kind: type[T], method: str, **params: Any) -> T:
        return msgspec.json.decode(await self._raw(method, params), type=kind)

    async def _raw(self, method: str, params: dict[str, Any]) -> bytes:
        future = self._send([(method, params)])[0]
        async with asyncio.timeout(REQUEST_SECONDS):
            return await future

    async def batch(self, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        """Make several calls in one write; returns the results in order, an RpcError in the place of a refused one."""
        answers = await asyncio.gather(*self._send(calls), return_exceptions=True)
        return [_EXACT.decode(answer) if isinstance(answer, bytes) else answer for answer in answers]

    def _send(self, calls: list[tuple[str, dict[str, Any]]]) -> list[asyncio.Future[bytes]]:
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
            futures.append(future)
            self._transport.send(picows.WSMsgType.TEXT, _ENCODE(message))
        return futures

    def _received(self, data: bytes) -> None:
        message = _MESSAGE.decode(data)
        if message.id is not None:
            future = self._waiting.pop(message.id, None)
            if future is None or future.done():
                return
            if bytes(message.error):
                future.set_exception(RpcError(_EXACT.decode(message.error)))
            else:
                future.set_result(bytes(message.result))
        elif message.method == "subscription":
            push = _PUSH.decode(message.params)
            self._push(push.channel, _EXACT.decode(push.data))
        elif bytes(message.error):
            self.on_refusal(RpcError(_EXACT.decode(message.error)))
        elif message.method == "heartbeat" and b"test_request" in bytes(message.params):
            self._transport.send(picows.WSMsgType.TEXT, b'{"jsonrpc":"2.0","id":0,"method":"public/test"}')

    # --- channels -------------------------------------------------------------------------------------------------

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """Call a function with the data of each message of a channel, also after a reconnect."""
        known = channel in self._callbacks
        self._callbacks.setdefault(channel, []).append(callback)
        if not known:
            await self._subscribe([channel])

    async def _subscribe(self, channels: list[str]) -> None:
        scope = "private" if self.key_id else "public"
        accepted = await self.call(f"{scope}/subscribe", channels=channels)
        refused = sorted(set(channels) - set(accepted))
        if refused:
            names = ", ".join(refused)
            raise ValueError(f"channels {names}: not offered; check the names, and log in for user channels")

    async def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        self._callbacks.pop(channel, None)
        await self.call("public/unsubscribe", channels=[channel])

    async def book(self, instrument_name: str, interval: str = "raw") -> LocalBook:
        """Keep a local copy of a book and check it; a new snapshot replaces it when the chain breaks."""
        channel = f"book.{instrument_name}.{interval}"
        book = self.books[channel] = LocalBook()
        await self.subscribe(channel, lambda data: self._keep(channel, data))
        return book

    def _keep(self, channel: str, data: Any) -> None:
        try:
            self.books[channel].apply(data)
        except BookBroken:
            self.books[channel].change_id = None
            self._spawn(self._again(channel))

    async def _again(self, channel: str) -> None:
        await self.call("public/unsubscribe", channels=[channel])
        await self._subscribe([channel])

    def _push(self, channel: str, data: Any) -> None:
        if channel.startswith("user.trades"):
            data = [trade for trade in data if self._is_new(trade["trade_id"] + trade["order_id"])]
        for callback in self._callbacks.get(channel, ()):
            callback(data)

    def _is_new(self, trade_id: str) -> bool:
        if trade_id in self._seen:
            return False
        self._seen[trade_id] = None
        if len(self._seen) > SEEN_TRADES:
            del self._seen[next(iter(self._seen))]
        return True

    # --- resuming -------------------------------------------------------------------------------------------------

    async def _resumed(self, sequence: int, count: int = 1000) -> _Resumed:
        return await self._typed(_Resumed, "venue/resume", sequence=sequence, count=count)

    async def _catch_up(self) -> None:
        """Get the orders and trades that happened while there was no connection."""
        has_more = True
        while has_more:
            resumed = await self._resumed(self.sequence)
            self.sequence, has_more = resumed.sequence, resumed.has_more
            for event in resumed.events:
                self._replay(event)

    def _replay(self, event: _Event) -> None:
        data = _EXACT.decode(event.data)
        prefix = "user.orders." if event.kind == "order" else "user.trades."
        for channel in list(self._callbacks):
            if channel.startswith(prefix) and (".any." in channel or data["instrument_name"] in channel):
                self._push(channel, data if event.kind == "order" else [data])

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
        """Send COMMAND rows in one frame; their reports come to `on_rows` as EVENT rows."""
        if rows.dtype != COMMAND or not self._binary:
            raise ValueError("rows: COMMAND rows, on a client made with binary=True")
        self._transport.send(picows.WSMsgType.BINARY, rows.tobytes())

    def _rows_received(self, data: bytes) -> None:
        self.on_rows(np.frombuffer(data, EVENT))


def _ignore(said: Any) -> None:
    return None
