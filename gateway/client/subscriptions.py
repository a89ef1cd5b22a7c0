"""The channels that a client listens to: who is called with what they say, also after a lost connection.

Subscribes again on the next connection and asks there for what its own channels said meanwhile (`venue/resume`).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from gateway.client.errors import Disconnected, RpcError
from gateway.client.local_book import BookBroken, LocalBook
from gateway.client.messages import EXACT, RESUMED, Message, Push, Resumed
from gateway.client.private_channels import PrivateChannels

Callback = Callable[[Any], None]


class Gap(msgspec.Struct):
    """Messages of some channels that the venue cannot tell any more: ask for orders, trades and positions anew."""

    channels: list[str]
    after: int
    until: int
    reason: str


class Subscriptions:
    """The channels of one client, their callbacks and its copies of books."""

    def __init__(
        self,
        is_connected: asyncio.Event,
        ask: Callable[[str, dict[str, Any]], Awaitable[Message]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        tell_refusal: Callable[[RpcError], None],
        tell_gap: Callable[[Gap], None],
    ) -> None:
        """`ask` calls a method; `spawn` runs what nobody waits for. The other two get what a reconnect did not bring
        back: a channel that is not there any more, and what cannot be told any more."""
        self.books: dict[str, LocalBook] = {}
        self._is_connected, self._ask, self._spawn = is_connected, ask, spawn
        self._tell_refusal, self._tell_gap = tell_refusal, tell_gap
        self._callbacks: dict[str, list[Callback]] = {}
        self._joining: Counter[str] = Counter()
        self._private = PrivateChannels(self._deliver)
        self._mending: set[str] = set()

    @property
    def sequence(self) -> int:
        """The last sequence seen on an own channel."""
        return self._private.latest

    # --- joining and leaving --------------------------------------------------------------------------------------

    async def subscribe(self, channel: str, callback: Callback) -> None:
        """As `Client.subscribe`."""
        if not self._is_connected.is_set():
            raise Disconnected("not connected; wait for `is_connected`")
        is_joined = channel in self._callbacks and not self._joining[channel]
        self._callbacks.setdefault(channel, []).append(callback)
        if is_joined:
            return
        self._joining[channel] += 1
        try:
            for refused in (await self._subscribe([channel])).refused:
                raise ValueError(f"channel {refused.channel}: {refused.reason}")
        except BaseException:
            self._withdraw(channel, callback)
            raise
        finally:
            self._joining[channel] -= 1

    def _withdraw(self, channel: str, callback: Callback) -> None:
        """Take back one function's subscription; the channel is left with the last one."""
        callbacks = self._callbacks.get(channel, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            self._forget(channel)

    async def _subscribe(self, channels: list[str]) -> Message:
        answer = await self._ask("public/subscribe", {"channels": channels})
        if answer.sequence is not None:
            self._private.joined(msgspec.json.decode(answer.result, type=list[str]), answer.sequence)
        return answer

    def _forget(self, channel: str) -> None:
        self._callbacks.pop(channel, None)
        self._private.left(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Leave a channel."""
        self._forget(channel)
        await self._ask("public/unsubscribe", {"channels": [channel]})

    async def book(self, instrument_name: str, interval: str = "raw") -> LocalBook:
        """As `Client.book`."""
        channel = f"book.{instrument_name}.{interval}"
        is_joined = channel in self._callbacks
        if is_joined and channel in self.books:
            return self.books[channel]
        book = self.books[channel] = LocalBook()
        await self.subscribe(channel, lambda data: self._keep(channel, data))
        if is_joined:
            await self._subscribe([channel])
        return book

    def _keep(self, channel: str, data: Any) -> None:
        try:
            self.books[channel].apply(data)
        except BookBroken:
            self.books[channel].change_id = None
            if channel not in self._mending:
                self._mending.add(channel)
                self._spawn(self._mend(channel))

    async def _mend(self, channel: str) -> None:
        """Subscribe again for a snapshot, as a reconnect does."""
        try:
            await self._subscribe([channel])
        except (Disconnected, RpcError, TimeoutError):
            return  # the next change finds the book broken still
        finally:
            self._mending.discard(channel)

    # --- what channels say ----------------------------------------------------------------------------------------

    def push(self, push: Push) -> None:
        """A channel said something."""
        if push.channel not in self._callbacks:
            return  # it was left, and the venue has yet to hear of it
        if push.sequence is None:
            self._deliver(push.channel, EXACT.decode(push.data))
        else:
            self._private.push(push.channel, EXACT.decode(push.data), push.sequence, push.more)

    def _deliver(self, channel: str, data: Any) -> None:
        """Call the channel's functions. One that fails is reported to the loop and takes nothing from the others."""
        for callback in tuple(self._callbacks.get(channel, ())):
            tell(callback, data, f"the callback of {channel}")

    # --- a lost connection ----------------------------------------------------------------------------------------

    def lost(self) -> None:
        """The connection is gone; what the next one says waits for `follow`."""
        self._private.lost()

    async def follow(self) -> None:
        """Subscribe to every channel again, then get what its own channels said between the connections."""
        if not self._callbacks:
            return
        answer = await self._subscribe(list(self._callbacks))
        for refused in answer.refused:
            self._forget(refused.channel)
            data = {"param": "channels", "reason": f"{refused.channel}: {refused.reason}"}
            self._tell_refusal(RpcError({"code": -32602, "message": "Invalid params", "data": data}))
        if answer.sequence is not None:
            for channels, after in self._private.missed():
                await self._catch_up(channels, after, answer.sequence)
                self._private.caught_up(channels, answer.sequence)

    async def _resume(self, channels: list[str], after: int, until: int) -> Resumed:
        wanted = {"channels": channels, "sequence": after, "until": until}
        return RESUMED.decode((await self._ask("venue/resume", wanted)).result)

    async def _catch_up(self, channels: list[str], after: int, until: int) -> None:
        has_more = True
        while has_more:
            try:
                resumed = await self._resume(channels, after, until)
            except RpcError as refused:
                if refused.wait_ms:
                    await asyncio.sleep(refused.wait_ms / 1000)
                    continue
                self._tell_gap(Gap(channels, after, until, refused.reason))
                return
            after, has_more = resumed.sequence, resumed.has_more
            for event in resumed.events:
                self._private.resumed(event.channel, EXACT.decode(event.data), event.sequence or 0, event.more)

    def go_on(self) -> None:
        """Nothing is missing any more: pass on what has waited."""
        self._private.go_on()


def tell(callback: Callback, said: Any, what: str) -> None:
    """Call a function of the user's. Its failure is reported to the loop: the client goes on."""
    try:
        callback(said)
    except Exception as error:
        context = {"message": f"{what} failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
