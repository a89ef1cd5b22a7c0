"""Frames of command rows that a node may not have served yet: which of them it did not take when it hands over.

A frame has no answer of its own. But a node serves everything in the order in which it comes, so the answer to a
request says that all frames before it were served, and that whatever was refused of them has been heard. And from the
first frame on that is refused HANDED_OVER each one is refused, with one message each. So the frames that were not taken
are as many of those before a request as refusals came before its answer, and all behind it. They go to the next node in
their order, ahead of requests that were not taken either.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.client.errors import HANDED_OVER, RpcError

MARK_BYTES = 1 << 20
"""After so many bytes of rows a request follows, whose answer says that they were served."""
GIVE_UP_SECONDS = 10.0
"""How long another node may take to be reached; then what was not taken is refused."""


class SentRows:
    """The frames of one connection, until it is known that they were served."""

    def __init__(self) -> None:
        self._frames = deque[bytes]()
        self._refused: list[bool] = []
        """For each refusal from the first HANDED_OVER on: whether it is one."""
        self.count = 0
        """How many frames were sent."""

    @property
    def refused_count(self) -> int:
        """How many frames were refused HANDED_OVER."""
        return sum(self._refused)

    def add(self, frame: bytes) -> None:
        """A frame is sent."""
        self.count += 1
        self._frames.append(frame)

    def served(self, count: int) -> None:
        """So many frames, from the first one on, were served, and what was refused of them has been heard."""
        while not self._refused and self.count - len(self._frames) < count:
            self._frames.popleft()

    def refuse(self, is_handed_over: bool) -> None:
        """A frame was refused: the first one HANDED_OVER, or one behind it, for whatever reason."""
        self._refused.append(is_handed_over)

    def not_taken(self, count: int) -> list[bytes]:
        """The frames that another node has to get, in their order, once the first `count` of them were served.

        A frame that was refused for another reason is not among them.
        """
        first = len(self._frames) - (self.count - count) - len(self._refused)
        refused = dict(enumerate(self._refused, first))
        return [frame for at, frame in enumerate(self._frames) if at >= first and refused.get(at, True)]


class RowSender:
    """Sends a client's frames of rows, and those again, to the next node, that one did not take as it hands over."""

    def __init__(
        self, keeps: bool, send: Callable[[bytes], None], ask: Callable[[], int], tell: Callable[[RpcError], None]
    ) -> None:
        """`keeps`: whether there may be another node. `ask` sends a request, and answers its number; `tell` gets the
        refusal of a frame."""
        self._keeps, self._send, self._ask, self._tell = keeps, send, ask, tell
        self._again: list[bytes] = []
        """Frames for the next node."""
        self._handed: RpcError | None = None
        self._begin()

    def _begin(self) -> None:
        """Another connection."""
        self._sent = SentRows()
        self._before: dict[int, int] = {}
        """How many frames were sent before each request that has no answer yet."""
        self._unmarked_bytes = 0
        self._last_mark = 0
        """The request whose answer says which frames were not taken; 0 for none."""
        self._are_again = False
        """Whether all further frames are for the next node too."""

    def send(self, frame: bytes) -> None:
        """Send a frame, behind all those that wait for the next node."""
        if self._are_again or self._again:
            self._again.append(frame)
            return
        self._send(frame)
        if self._keeps:
            self._sent.add(frame)
            self._unmarked_bytes += len(frame)
            if self._unmarked_bytes >= MARK_BYTES:
                self._ask()

    def requested(self, number: int) -> None:
        """A request is about to be sent."""
        if self._keeps:
            self._before[number], self._unmarked_bytes = self._sent.count, 0

    def answered(self, number: int, error: RpcError | None) -> None:
        """A request is answered, and so all frames before it were served. The node may have handed over."""
        count = self._before.pop(number, None)
        if count is None or self._are_again:
            return
        if error is not None and error.reason == HANDED_OVER and not self._last_mark:
            self._handed, self._last_mark = error, number
        if number != self._last_mark:
            self._sent.served(count)
            return
        self._again, self._are_again = self._sent.not_taken(count), True
        self._sent = SentRows()
        asyncio.get_running_loop().call_later(GIVE_UP_SECONDS, self._give_up, self._again)

    def refused(self, error: RpcError) -> bool:
        """A frame was refused; whether the node has handed over, so that this frame is for the next one."""
        if self._are_again:
            return True  # it is sent to the next node, which refuses it too if it is wrong
        is_handed_over = error.reason == HANDED_OVER and self._keeps
        if is_handed_over or self._sent.refused_count:
            self._sent.refuse(is_handed_over)
        if not is_handed_over:
            self._tell(error)
        elif not self._last_mark:
            self._handed, self._last_mark = error, self._ask()
        return is_handed_over

    def lost(self) -> None:
        """The connection is gone. Where it is not clear yet which frames were refused, the refusals are told."""
        for _ in range(self._sent.refused_count):
            self._tell_handed()
        self._begin()

    def go_on(self) -> None:
        """There is another connection: send what is for it, ahead of what comes."""
        frames, self._again = self._again, []
        for frame in frames:
            self.send(frame)

    def _give_up(self, frames: list[bytes]) -> None:
        """No other node was reached in time: these were not taken, and are not sent any more."""
        if self._again is frames:
            self._again = []
            for _ in frames:
                self._tell_handed()

    def _tell_handed(self) -> None:
        assert self._handed is not None
        self._tell(self._handed)
