"""The express: plain orders of one loop turn, read, sequenced and answered without a Python object for each.

Three quarters of a usual session's cost was one Python call after another for each order. Here the compiled reader
turns a turn's messages into rows and the compiled writer turns what came of them into frames; whatever is not plain
goes the session's way, in its place in the order of arrival.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.codes import CommandKind
from engine.schema import COMMAND, EVENT
from gateway import jsonrpc
from gateway.express_read import read
from gateway.express_tables import MAX_REQUESTS, OUT_BYTES, SCALARS, new_desk, write_card
from gateway.express_write import write
from gateway.frames import text_frame
from gateway.history import Segment
from gateway.interfaces import Pending
from gateway.methods.trading import OrderPending
from gateway.projection import Projection
from gateway.rows import ROW_BYTES
from gateway.session import Call, Session

(
    COUNT, ACCOUNT_SLOT, PERSON, KEY, OFFSET, MESSAGES, PLACE, US_IN, ROWS, ORDERS, CANCELS, FIRST_SEQ, US_OUT, TESTNET,
    SLOW,
) = (SCALARS.index(name) for name in (
    "count", "account_slot", "person", "key", "offset", "messages", "place", "us_in", "rows", "orders", "cancels",
    "first_seq", "us_out", "testnet", "slow",
))  # fmt: skip
RUN_MESSAGES = 1024
"""Messages read in one call at most."""
_CANCEL = int(CommandKind.CANCEL)
Complete = Callable[[int, Pending, int], bytes | None]
"""(place of a row in the batch, who waits, account) -> the reply."""


class Run:
    """Plain orders of one session that were read together: requests `first` to `end` of the desk."""

    __slots__ = ("end", "first", "now_ns", "session")

    def __init__(self, session: Session, first: int, end: int, now_ns: int) -> None:
        self.session = session
        self.first = first
        self.end = end
        self.now_ns = now_ns


class Express:
    """The desk of one venue: what was read and waits for its batch."""

    def __init__(self, projection: Projection, testnet: bool = False) -> None:
        self._projection = projection
        self._desks = new_desk()
        self._desk = self._desks[0]
        self._numbers = self._desks.view(np.uint8)[: 8 * len(SCALARS)].data.cast("q")
        self._numbers[TESTNET] = testnet
        self._requests = self._desk["requests"]
        self._slow = self._requests["is_slow"]
        self._ends = self._requests["out_end"]
        self._commands = np.zeros(2 * RUN_MESSAGES, COMMAND)
        words = self._commands.view(np.int64)
        self._bytes = words.view(np.uint8)
        self._rows = (self._commands, words, self._bytes)
        self._out = np.zeros(OUT_BYTES, np.uint8)
        self._text = self._out.data
        self._cards = 0
        self.warm_up()

    def warm_up(self) -> None:
        """Have the reader and the writer compiled before the first order comes."""
        self._numbers[MESSAGES] = 1
        read(self._projection.view, self._desks, b"\0", self._rows)
        segment = Segment(1)
        self.write(np.zeros(0, EVENT), (segment.legs, segment.orders), 1, 0)

    # --- reading --------------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many messages may be read in one call now."""
        return min(RUN_MESSAGES, MAX_REQUESTS - self._numbers[COUNT])

    def begin(self, session: Session, place: int, now_ns: int) -> None:
        """Read for this session; the first row that is written will have this place in the batch."""
        numbers, signer = self._numbers, session.signer
        numbers[ACCOUNT_SLOT], numbers[PERSON], numbers[KEY] = signer.account_slot, signer.person, signer.key
        numbers[PLACE], numbers[US_IN] = place, now_ns // 1000
        if self._cards < len(self._projection.contracts()):
            for contract in self._projection.contracts()[self._cards :]:
                write_card(self._desk, contract)
            self._cards = len(self._projection.contracts())

    def read(self, session: Session, data: bytes, span: tuple[int, int], now_ns: int) -> tuple[int, Run | None, bytes]:
        """Read messages of `data` from an offset on, at most so many: how many are plain, their run and rows.

        Each message has a zero byte behind it. There is no run when the session may not send them all now.
        """
        numbers = self._numbers
        first = numbers[COUNT]
        numbers[OFFSET], numbers[MESSAGES] = span
        taken = read(self._projection.view, self._desks, data, self._rows)
        if not taken or not session.admits(numbers[ORDERS], numbers[CANCELS], now_ns):
            numbers[COUNT] = first
            return taken, None, b""
        rows = self._bytes[: numbers[ROWS] * ROW_BYTES].tobytes()
        return taken, Run(session, first, first + taken, now_ns), rows

    # --- answering ------------------------------------------------------------------------------------------------

    def write(self, events: Any, history: tuple[Any, Any], first_seq: int, now_ns: int) -> None:
        """Make the replies of everything that was read for this batch."""
        numbers = self._numbers
        numbers[FIRST_SEQ], numbers[US_OUT] = first_seq, now_ns // 1000
        numbers[SLOW] = write(self._projection.view, self._desks, events, history, self._out)

    @property
    def has_slow(self) -> bool:
        """Whether some of the replies are the session's to make."""
        return self._numbers[SLOW] > 0

    def replies(self, run: Run, complete: Complete) -> bytes:
        """The frames of a run, the session's among them in their places."""
        if not self._numbers[SLOW]:
            return self._frames(run.first, run.end)
        parts: list[bytes] = []
        begun = run.first
        for index in (run.first + np.flatnonzero(self._slow[run.first : run.end])).tolist():
            parts += [self._frames(begun, index), self._slow_reply(run, index, complete)]
            begun = index + 1
        return b"".join((*parts, self._frames(begun, run.end)))

    def _frames(self, first: int, end: int) -> bytes:
        """The frames of requests; a slow one has none."""
        begin = int(self._ends[first - 1]) if first else 0
        return bytes(self._text[begin : int(self._ends[end - 1])]) if end > first else b""

    def _slow_reply(self, run: Run, index: int, complete: Complete) -> bytes:
        request = self._requests[index]
        request_id = jsonrpc.decode_id(request["id"][: int(request["id_size"])].tobytes())
        call = Call(run.session, request_id, run.now_ns)
        account_slot, side, is_cancel = int(request["account_slot"]), int(request["side"]), request["kind"] == _CANCEL
        pending = OrderPending(call, account_slot, side, bool(is_cancel))
        return text_frame(complete(int(request["place"]), pending, account_slot) or b"")

    def clear(self) -> None:
        """The batch is over."""
        self._numbers[COUNT] = self._numbers[SLOW] = 0
