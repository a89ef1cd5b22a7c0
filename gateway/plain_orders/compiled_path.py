"""The compiled path: plain orders of one loop turn, read, sequenced and answered without a Python object for each.

Three quarters of a usual session's cost was one Python call after another for each order. Here the compiled reader
turns what a connection brought, frame by frame, into rows of the batch, and the compiled writer turns what came of
them into frames; whatever is not plain goes the session's way, in its place in the order of arrival.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

import numpy as np

from engine.code_values import COMMAND_CANCEL
from engine.kernels import direct
from engine.schema import COMMAND, EVENT
from gateway.plain_orders.frame_finder import SLACK_BYTES
from gateway.plain_orders.layout import OUT_BYTES, SCALARS, new_desk, write_card
from gateway.plain_orders.reader import read
from gateway.plain_orders.writer import write
from gateway.read_model.history import Segment
from gateway.read_model.projection import Projection
from gateway.sessions.actions import Pending
from gateway.sessions.methods.trading import OrderPending
from gateway.sessions.state import Call, SessionState
from gateway.wire import jsonrpc_answers
from gateway.wire.frames import text_frame

(
    COUNT, OFFSET, ROWS, ORDERS, CANCELS, FIRST, LAST, FRAME_BYTES, LONGEST, FIRST_SEQ, US_OUT, TESTNET, SLOW,
) = (SCALARS.index(name) for name in (
    "count", "offset", "rows", "orders", "cancels", "first", "last", "frame_bytes", "longest", "first_seq", "us_out",
    "testnet", "slow",
))  # fmt: skip
_ASK = Struct("<9q")
"""What the reader is told, at the desk's beginning: account_slot to is_trader."""
BUFFER_BYTES = 1 << 18
"""What one read of a socket can bring."""
LONGEST_TEXT = (1 << 16) - 1
Written = tuple[Segment, int, int]
"""Where a batch's history rows are: segment, first, end."""
Complete = Callable[[int, Pending, int], bytes | None]
"""(place of a row in the batch, who waits, account) -> the reply."""


class Run:
    """Plain orders of one session that were read together: requests `first` to `end` of the desk."""

    __slots__ = ("end", "first", "now_ns", "session")

    def __init__(self, session: SessionState, first: int, end: int, now_ns: int) -> None:
        self.session = session
        self.first = first
        self.end = end
        self.now_ns = now_ns


class CompiledPath:
    """The desk of one venue: what was read and waits for its batch.

    `buffer` is where connections put what a read of their socket brought, one at a time.
    """

    def __init__(self, projection: Projection, testnet: bool = False, longest_text: int = LONGEST_TEXT) -> None:
        self._projection = projection
        self._view = projection.view
        self._desks = new_desk()
        self._desk = self._desks[0]
        self._scalars = self._desks.view(np.uint8)[: 8 * len(SCALARS)].data
        self.numbers = self._scalars.cast("q")
        self.numbers[TESTNET], self.numbers[LONGEST] = testnet, min(longest_text, LONGEST_TEXT)
        self._requests = self._desk["requests"]
        self._slow = self._requests["is_slow"]
        self._ends = self._desk["ends"].data
        self._data = np.zeros(BUFFER_BYTES + SLACK_BYTES, np.uint8)
        self.buffer = self._data.data[:BUFFER_BYTES]
        self._out = np.zeros(OUT_BYTES, np.uint8)
        self._text = self._out.data
        self._cards = 0
        self.collect_in(np.zeros(2, COMMAND))
        self.warm_up()

    def collect_in(self, batch: Any) -> None:
        """Write the rows of plain orders into this batch from now on."""
        words = batch.view(np.int64)
        self._batch = (batch, words, words.view(np.uint8))

    def warm_up(self) -> None:
        """Have the reader and the writer compiled before the first order comes."""
        view, segment = self._view, Segment(1)
        history = (segment.legs, segment.orders, 0, 0)
        self._read = direct(read, view, self._desks, self._data, self._batch)
        self._write = direct(write, view, self._desks, (np.zeros(1, EVENT), 0), history, self._out)

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, session: SessionState, places: tuple[int, int], span: tuple[int, int], now_ns: int) -> int:
        """Read frames that lie in the buffer: why it stopped, see `frame_finder`; how many rows are in `numbers`.

        `places`: of the first row in the batch, and its sequence. `span`: of the bytes in the buffer.
        """
        if self._cards < len(self._projection.contracts()):
            self._learn_contracts()
        signer = session.signer
        _ASK.pack_into(
            self._scalars, 0, signer.account_slot, signer.person, signer.key, *places, now_ns, *span, session.is_trader
        )
        return int(self._read(self._view, self._desks, self._data, self._batch))

    def next_text(self, span: tuple[int, int]) -> int:
        """The same without looking for orders: it stops at the first text."""
        _ASK.pack_into(self._scalars, 0, 0, 0, 0, 0, 0, 0, *span, False)
        return int(self._read(self._view, self._desks, self._data, self._batch))

    def text(self) -> bytes:
        """The text at which the reader stopped."""
        return bytes(self.buffer[self.numbers[FIRST] : self.numbers[LAST]])

    def _learn_contracts(self) -> None:
        for contract in self._projection.contracts()[self._cards :]:
            write_card(self._desk, contract)
        self._cards = len(self._projection.contracts())

    # --- answering ------------------------------------------------------------------------------------------------

    def write(self, events: tuple[Any, int], written: Written, first_seq: int, now_ns: int) -> None:
        """Make the replies of everything that was read for this batch: (EVENT rows, how many), its history rows."""
        segment, first, end = written
        numbers = self.numbers
        numbers[FIRST_SEQ], numbers[US_OUT] = first_seq, now_ns // 1000
        history = (segment.legs, segment.orders, first, end)
        numbers[SLOW] = self._write(self._view, self._desks, events, history, self._out)

    @property
    def has_slow(self) -> bool:
        """Whether some of the replies are the session's to make."""
        return self.numbers[SLOW] > 0

    def replies(self, run: Run, complete: Complete) -> bytes:
        """The frames of a run, the session's among them in their places."""
        if not self.numbers[SLOW]:
            return self.frames(run)
        parts: list[bytes] = []
        begun = run.first
        for index in (run.first + np.flatnonzero(self._slow[run.first : run.end])).tolist():
            parts += [self._frames(begun, index), self._slow_reply(run, index, complete)]
            begun = index + 1
        return b"".join((*parts, self._frames(begun, run.end)))

    def frames(self, run: Run) -> bytes:
        """The frames of a run that has no slow reply."""
        return self._frames(run.first, run.end)

    def _frames(self, first: int, end: int) -> bytes:
        """The frames of requests; a slow one has none."""
        return bytes(self._text[self._ends[first] : self._ends[end]])

    def _slow_reply(self, run: Run, index: int, complete: Complete) -> bytes:
        request = self._requests[index]
        request_id = jsonrpc_answers.decode_id(request["id"][: int(request["id_size"])].tobytes())
        call = Call(run.session, request_id, run.now_ns)
        account_slot, side = int(request["account_slot"]), int(request["side"])
        pending = OrderPending(call, account_slot, side, bool(request["kind"] == COMMAND_CANCEL))
        return text_frame(complete(int(request["place"]), pending, account_slot) or b"")

    def clear(self) -> None:
        """The batch is over."""
        self.numbers[COUNT] = self.numbers[SLOW] = 0
