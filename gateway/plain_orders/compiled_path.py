"""The compiled path: plain orders of one loop turn, read, sequenced and answered without a Python object for each.

For a session, three quarters of an order's cost are Python calls. Here the compiled reader turns received frames into
rows of the batch, and the compiled writer turns the outcomes into reply frames. What is not plain goes to the session,
in its place in the order of arrival.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

import numpy as np

from engine.code_values import COMMAND_CANCEL
from engine.kernels import direct
from engine.schema import COMMAND, EVENT
from gateway.plain_orders.frame_finder import SLACK_BYTES
from gateway.plain_orders.layout import OUT_BYTES, SCALARS, new_workspace, write_listing
from gateway.plain_orders.order_reader import read
from gateway.plain_orders.reply_writer import write
from gateway.read_model.projection import Projection
from gateway.read_model.segments import Segment
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
_ASK = Struct(f"<{SCALARS.index('is_trader') + 1}q")
"""The reader's input at the beginning of WORKSPACE: account_slot to is_trader."""
BUFFER_BYTES = 1 << 18
"""The most bytes that one read of a socket returns."""
LONGEST_TEXT = (1 << 16) - 1
Written = tuple[Segment, int, int]
"""Where a batch's history rows are: segment, first row, end."""
Complete = Callable[[int, Pending, int], bytes | None]
"""(place of a row in the batch, the request that waits, account) -> the reply."""


class Run:
    """Plain orders of one session that were read together: requests `first` to `end` of the workspace."""

    __slots__ = ("end", "first", "now_ns", "session")

    def __init__(self, session: SessionState, first: int, end: int, now_ns: int) -> None:
        self.session = session
        self.first = first
        self.end = end
        self.now_ns = now_ns


class CompiledPath:
    """The compiled path of one venue: requests that were read and wait for their batch.

    A connection puts the bytes that it receives into `buffer`, one connection at a time.
    """

    def __init__(self, projection: Projection, testnet: bool = False, longest_text: int = LONGEST_TEXT) -> None:
        self._projection = projection
        self._view = projection.view
        self._workspace = new_workspace()
        self._work = self._workspace[0]
        self._scalars = self._workspace.view(np.uint8)[: 8 * len(SCALARS)].data
        self.numbers = self._scalars.cast("q")
        self.numbers[TESTNET], self.numbers[LONGEST] = testnet, min(longest_text, LONGEST_TEXT)
        self._requests = self._work["requests"]
        self._slow = self._requests["is_slow"]
        self._ends = self._work["ends"].data
        self._data = np.zeros(BUFFER_BYTES + SLACK_BYTES, np.uint8)
        self.buffer = self._data.data[:BUFFER_BYTES]
        self._out = np.zeros(OUT_BYTES, np.uint8)
        self._text = self._out.data
        self._listings = 0
        self.collect_in(np.zeros(2, COMMAND))
        self.warm_up()

    def collect_in(self, batch: Any) -> None:
        """Write the rows of plain orders into this batch from now on."""
        words = batch.view(np.int64)
        self._batch = (batch, words, words.view(np.uint8))

    def warm_up(self) -> None:
        """Compile the reader and the writer before the first order comes."""
        view, segment = self._view, Segment(1)
        history = (segment.legs, segment.orders, 0, 0)
        self._read = direct(read, view, self._workspace, self._data, self._batch)
        self._write = direct(write, view, self._workspace, (np.zeros(1, EVENT), 0), history, self._out)

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, session: SessionState, places: tuple[int, int], span: tuple[int, int], now_ns: int) -> int:
        """Read the frames in the buffer; returns why it stopped, see `frame_finder`. `numbers` says how many rows.

        `places`: the next row's place in the batch, and its sequence. `span`: begin and end of the bytes in the buffer.
        """
        if self._listings < len(self._projection.contracts()):
            self._learn_contracts()
        signer = session.signer
        _ASK.pack_into(
            self._scalars, 0, signer.account_slot, signer.person, signer.key, signer.connection, *places, now_ns, *span,
            session.is_trader,
        )  # fmt: skip
        return int(self._read(self._view, self._workspace, self._data, self._batch))

    def next_text(self, span: tuple[int, int]) -> int:
        """Read frames without looking for orders: it stops at the first text message."""
        _ASK.pack_into(self._scalars, 0, 0, 0, 0, 0, 0, 0, 0, *span, False)
        return int(self._read(self._view, self._workspace, self._data, self._batch))

    def text(self) -> bytes:
        """The text message at which the reader stopped."""
        return bytes(self.buffer[self.numbers[FIRST] : self.numbers[LAST]])

    def _learn_contracts(self) -> None:
        for contract in self._projection.contracts()[self._listings :]:
            write_listing(self._work, contract)
        self._listings = len(self._projection.contracts())

    # --- answering ------------------------------------------------------------------------------------------------

    def write(self, events: tuple[Any, int], written: Written, first_seq: int, now_ns: int) -> None:
        """Make the replies to all requests of this batch. `events`: (EVENT rows, how many); `written`: history rows."""
        segment, first, end = written
        numbers = self.numbers
        numbers[FIRST_SEQ], numbers[US_OUT] = first_seq, now_ns // 1000
        history = (segment.legs, segment.orders, first, end)
        numbers[SLOW] = self._write(self._view, self._workspace, events, history, self._out)

    @property
    def has_slow(self) -> bool:
        """Whether the session must make some of the replies."""
        return self.numbers[SLOW] > 0

    def replies(self, run: Run, complete: Complete) -> bytes:
        """The frames of a run; the replies that the session makes stand in their places."""
        if not self.numbers[SLOW]:
            return self.frames(run)
        parts: list[bytes] = []
        begun = run.first
        for index in (run.first + np.flatnonzero(self._slow[run.first : run.end])).tolist():
            parts += [self._frames(begun, index), self._slow_reply(run, index, complete)]
            begun = index + 1
        return b"".join((*parts, self._frames(begun, run.end)))

    def frames(self, run: Run) -> bytes:
        """The frames of a run in which the writer made every reply."""
        return self._frames(run.first, run.end)

    def _frames(self, first: int, end: int) -> bytes:
        """The frames of requests; one that the session answers has none here."""
        return bytes(self._text[self._ends[first] : self._ends[end]])

    def _slow_reply(self, run: Run, index: int, complete: Complete) -> bytes:
        request = self._requests[index]
        request_id = jsonrpc_answers.decode_id(request["id"][: int(request["id_size"])].tobytes())
        call = Call(run.session, request_id, run.now_ns)
        account_slot, side = int(request["account_slot"]), int(request["side"])
        pending = OrderPending(call, account_slot, side, bool(request["kind"] == COMMAND_CANCEL))
        return text_frame(complete(int(request["place"]), pending, account_slot) or b"")

    def clear(self) -> None:
        """Forget the requests: the batch is over."""
        self.numbers[COUNT] = self.numbers[SLOW] = 0
