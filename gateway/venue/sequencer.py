"""The single writer: stamps the commands of one loop turn, has them journalled and matched, and answers them.

One engine call for a batch. While the journal fsyncs a batch, the next one is matched; the answers to a batch wait in
the outbox until the journal says that it is durable.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from engine.code_values import (
    COMMAND_MASS_CANCEL,
    EVENT_ACCEPTED,
    EVENT_AMENDED,
    EVENT_CANCELLED,
    EVENT_FILL,
    EVENT_MASS_CANCELLED,
    EVENT_NOTICE_FIRST,
    EVENT_REFUSED,
    EVENT_REJECTED,
    EVENT_REPEATED,
    REASON_AMENDED_AWAY,
    REASON_BY_CLIENT,
    REASON_SANCTIONS,
)
from engine.codes import CommandKind
from engine.host import Durability
from engine.row_layout import row_struct
from engine.schema import COMMAND, EVENT, LABEL, NOTICE
from gateway import clock
from gateway.audit_trail.refusals import why
from gateway.clock import VenueTime
from gateway.market_data.hub import Hub
from gateway.plain_orders.compiled_path import CANCELS, COUNT, ORDERS, ROWS, CompiledPath, Run, Written
from gateway.read_model.event_fold import TRADE_KIND
from gateway.read_model.history_views import HISTORY_ROW_BYTES, user_trade_view
from gateway.read_model.projection import Projection
from gateway.sessions.actions import Pending
from gateway.sessions.session import Session
from gateway.venue.released import Released
from gateway.venue.stage_times import StageTimes
from gateway.wire.command_rows import KIND_BYTE, ROW_BYTES, STAMP, bare_row
from gateway.wire.event_rows import (
    ACCOUNT_AT,
    EVENT_STRUCT,
    KIND_AT,
    LAST_LOTS_AT,
    NOTICE_REASON_AT,
    NOTICE_STRUCT,
    ORDER_ID_AT,
    REASON_AT,
    SEQ_AT,
    Row,
)
from gateway.wire.frames import binary_frame
from gateway.wire.reasons import shown
from gateway.wire.views import Outcome, UserTradeView

_TIME_ROW = bare_row(CommandKind.TIME)
_REPORTS = frozenset({EVENT_ACCEPTED, EVENT_REPEATED, EVENT_AMENDED})
_ASKED_FOR = frozenset({REASON_BY_CLIENT, REASON_AMENDED_AWAY})
_ENDS_MASS_CANCEL = frozenset({EVENT_MASS_CANCELLED, EVENT_REJECTED, EVENT_REFUSED})
_ACCOUNT = row_struct(COMMAND, "account_slot")
OVER_LIMIT = -1
"""Why reading stopped: the session may not send so many orders now, so each message is served by itself."""
EARLY_ROWS = 16
"""A batch of so many rows is written and fsynced during the rest of the turn's work, a smaller one at its end."""
TIMED_MASK = 7
"""One batch in so many, and one, has its stages counted: two more readings of the clock cost a small one too much."""
UNTIMED = (0, 0)
EXPLAINED = 64
"""So many refusals of one batch are told with their figures, which costs far more than to refuse."""
LAZY_ROWS = 1 << 14
"""Without durability, rows are written when there are so many, or at the next tick of time."""


class Engine(Protocol):
    """What the sequencer needs of the host."""

    root: Any
    journal: Any
    last_seq: int

    @property
    def durable_seq(self) -> int: ...
    def stage(self, capacity: int) -> Any: ...
    def commit(self) -> None: ...


class Origin(Protocol):
    """Who asked: a connection, or an HTTP call."""

    def answer(self, data: bytes) -> None:
        """Stage a reply."""
        ...

    def stage(self, frame: bytes) -> None:
        """Stage an encoded frame."""
        ...

    def take_staged(self) -> bytes:
        """Everything staged since the last time, for one write."""
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        ...


class Observer(Protocol):
    """Who gets the events of each batch, such as surveillance."""

    def offer(self, events: Any, seq: int) -> None:
        """The events of the batch that ended with this sequence; they are used again afterwards."""
        ...


class _Request:
    """One command whose outcome somebody waits for."""

    __slots__ = ("account_slot", "origin", "pending")

    def __init__(self, origin: Origin | None, pending: Pending, account_slot: int) -> None:
        self.origin = origin
        self.pending = pending
        self.account_slot = account_slot

    def complete(self, outcome: Outcome, now_ns: int) -> None:
        answer = self.pending.complete(outcome, now_ns)
        if answer is not None and self.origin is not None:
            self.origin.answer(answer)


_Answers = tuple[int, tuple[int, int], list[tuple[Origin, bytes]], Callable[[], None] | None]
"""The answers of a turn: the sequence up to which they show, when that was received and applied, what goes to whom,
what follows."""
_Waiting = tuple[int, int, Any]
"""Place of the first row in the batch, its command kind, the request; or a place, _RUN, (run, origin); or a place,
_READY, (frame, origin)."""
_RUN, _READY = -1, -2
"""In place of a command kind: plain orders that were read together; an answer that needed no command."""


class Parts(NamedTuple):
    """The clock of the stamps, and who gets each batch: read model, hub, compiled path, who looks at events."""

    time: VenueTime
    projection: Projection
    hub: Hub
    compiled_path: CompiledPath
    observers: tuple[Observer, ...] = ()
    released: Released | None = None
    """Up to where answers may go out; what is durable when it is not given."""


class Sequencer:
    """Collects commands, applies them as one batch, and releases answers in order of durability."""

    _held: list[tuple[bytes, Origin | None, Pending | None]] | None = None
    """What was submitted since `hold`; None while nothing is held."""

    def __init__(self, engine: Engine, parts: Parts, batch_rows: int) -> None:
        self.engine = engine
        self._time = parts.time
        self.projection = parts.projection
        self.hub = parts.hub
        self.compiled_path = parts.compiled_path
        self._observers = parts.observers
        self._released_to = parts.released or Released(engine)
        self.dirty: list[Origin] = []
        self.binary: dict[int, list[Origin]] = {}
        self._new_stage(batch_rows)
        self._stamped_ns = 0
        """The time of the last command: the next one is never stamped with an earlier one. The venue's time may be
        drawn back by some microseconds, and a connection's commands carry the time at which they were read."""
        self._count = 0
        self._waiting: list[_Waiting] = []
        self._singles = 0
        self._late: dict[int, _Request] = {}
        self._to_explain = EXPLAINED
        self._received_ns = 0
        """When the first command of the batch came, on the steady clock."""
        self._applied = UNTIMED
        """When this turn's last batch was received, and when it was applied; UNTIMED when there is none."""
        self._released = 0
        self._outbox: deque[_Answers] = deque()
        self.stage_times = StageTimes()
        self._due = engine.root["next_due_ns"]
        is_lazy = engine.journal is not None and engine.journal.options.durability is Durability.NONE
        self._early_rows, self._late_rows = (LAZY_ROWS, LAZY_ROWS) if is_lazy else (EARLY_ROWS, 1)
        self._unwritten = 0
        self._ring: tuple[Any, Any] = (None, None)
        """The engine's ring of events, and the same as NOTICE rows."""

    # --- in -------------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether work waits inside the engine for the next command."""
        return bool(self._due[0] == 0)

    def submit(self, rows: bytes, origin: Origin | None, pending: Pending | None) -> int:
        """Add command rows to the batch; they stay together. Answers the sequence of the first."""
        if self._held is not None:
            self._held.append((rows, origin, pending))
            return self.engine.last_seq
        count = len(rows) // ROW_BYTES
        if self._count + count > self._capacity:
            self.settle()
        if count > self._capacity:
            self._new_stage(count)
        place = self._count
        steady_ns = clock.steady_ns()
        if not place:
            self._received_ns = steady_ns
        self._bytes[place * ROW_BYTES : (place + count) * ROW_BYTES] = rows
        seq = self.engine.last_seq + 1 + place
        self._stamped_ns = now_ns = max(steady_ns + self._time.offset_ns, self._stamped_ns)
        if count == 1:
            STAMP.pack_into(self._bytes, place * ROW_BYTES, seq, now_ns)
        else:
            seqs, times = self._stamps
            seqs[place : place + count] = np.arange(seq, seq + count)
            times[place : place + count] = now_ns
        if pending is not None:
            self._singles += 1
            (account_slot,) = _ACCOUNT.unpack_from(rows)
            self._waiting.append((place, rows[KIND_BYTE], _Request(origin, pending, account_slot)))
        self._count = place + count
        return seq

    def read(self, session: Session, span: tuple[int, int], origin: Origin, steady_ns: int) -> int:
        """Read a session's frames from the compiled path's buffer, plain orders into the batch: why it stopped.

        See `frame_finder` for why; OVER_LIMIT when nothing was taken of what was read.
        """
        compiled_path, place = self.compiled_path, self._count
        now_ns = steady_ns + self._time.offset_ns
        if now_ns < self._stamped_ns:
            now_ns = self._stamped_ns
        numbers = compiled_path.numbers
        first = numbers[COUNT]
        stop = compiled_path.read(session, (place, self.engine.last_seq + 1), span, now_ns)
        end, rows = numbers[COUNT], numbers[ROWS]
        if rows:
            if not session.admits(numbers[ORDERS], numbers[CANCELS], steady_ns):
                numbers[COUNT] = first
                return OVER_LIMIT
            self._waiting.append((place, _RUN, (Run(session, first, end, now_ns), origin)))
            self._count, self._stamped_ns = place + rows, now_ns
            if not place:
                self._received_ns = steady_ns
        return stop

    def stage_in_turn(self, origin: Origin, frame: bytes) -> None:
        """Stage a frame that needs no command, behind the answers to the commands that were received before it."""
        if self._count:
            self._waiting.append((self._count, _READY, (frame, origin)))
        else:
            origin.stage(frame)

    def _new_stage(self, rows: int) -> None:
        """Room for batches of so many rows."""
        self._stage = self.engine.stage(rows)
        self._capacity = rows
        staged = self._stage.rows
        self._bytes = staged.view(np.uint8).data
        self._stamps = staged["seq"], staged["time_ns"]
        self._labels = staged.view(LABEL)
        self.compiled_path.collect_in(staged)

    def keep_time(self) -> None:
        """Submit a TIME command when something is due or work waits in the engine, and no other command does it."""
        self._commit(1)
        if not self._count and self._due[0] <= self._time.now_ns():
            self.submit(_TIME_ROW, None, None)
            self.settle()

    @property
    def is_held(self) -> bool:
        """Whether nothing goes into the log now."""
        return self._held is not None

    def hold(self) -> None:
        """Put nothing into the log until `go_on`: another node may lead from its end. Nobody may read meanwhile."""
        self._held = []

    def go_on(self) -> None:
        """Submit what was held, in its order."""
        held, self._held = self._held or (), None
        for entry in held:
            self.submit(*entry)

    # --- the batch ------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Apply the collected batch and stage its answers."""
        if not self._count:
            return
        count, waiting, singles = self._count, self._waiting, self._singles
        self._count, self._waiting, self._singles = 0, [], 0
        first_seq = self.engine.last_seq + 1
        events = self._stage.submit(count)
        applied_ns = clock.steady_ns()
        self._applied = (self._received_ns, applied_ns)
        for observer in self._observers:
            observer.offer(events, self.engine.last_seq)
        self._unwritten += count
        self._commit(self._early_rows)
        events_count = len(events)
        batch = (self._stage.rows, self._labels, events, self._notices(events))
        written = self.projection.apply(batch, count, events_count)
        has_plain_orders = self.compiled_path.numbers[COUNT] > 0
        if has_plain_orders:
            self.compiled_path.write((events, events_count), written, first_seq, applied_ns + self._time.offset_ns)
        if self.binary and events_count:
            self._report(events)
        if singles or self._late or self.compiled_path.has_slow:
            self._answer(_rows(events), written, waiting, first_seq)
        else:
            for _, kind, (asked, origin) in waiting:
                origin.stage(self.compiled_path.frames(asked) if kind == _RUN else asked)
        if has_plain_orders:
            self.compiled_path.clear()
        self.hub.batch(events, written)

    def _commit(self, rows: int) -> None:
        """Have the journal write and fsync the applied rows when at least so many are not yet written."""
        if self._unwritten >= rows:
            self._unwritten = 0
            self.engine.commit()

    def _notices(self, events: Any) -> Any:
        """The events, and more, as NOTICE rows: a view costs time, so the ring's is kept."""
        ring = events.base if events.base is not None and events.base.dtype == EVENT else events
        if ring is not self._ring[0]:
            self._ring = (ring, ring.view(NOTICE))
        return self._ring[1]

    def _answer(self, rows: list[Row], written: Written, waiting: list[_Waiting], first_seq: int) -> None:
        """Complete the requests whose commands are done. Rows come in order of sequence, except late ones."""
        by_seq: dict[int, list[Row]] = {}
        for row in rows:
            found = by_seq.get(row[SEQ_AT])
            if found is None:
                by_seq[row[SEQ_AT]] = [row]
            else:
                found.append(row)
        now_ns = self._time.now_ns()
        self._to_explain = EXPLAINED

        def complete(place: int, pending: Pending, account_slot: int) -> bytes | None:
            seq = first_seq + place
            outcome = outcome_of(seq, by_seq.get(seq, []), account_slot, written)
            return pending.complete(self._explained(outcome, place), now_ns)

        for index, kind, request in waiting:
            if kind == _READY:
                frame, origin = request
                origin.stage(frame)
                continue
            if kind == _RUN:
                run, origin = request
                origin.stage(self.compiled_path.replies(run, complete))
                continue
            seq = first_seq + index
            own = by_seq.get(seq, [])
            if kind == COMMAND_MASS_CANCEL and not any(_ends_mass_cancel(row) for row in own):
                self._late[seq] = request
            else:
                outcome = outcome_of(seq, own, request.account_slot, written)
                request.complete(self._explained(outcome, index), now_ns)
        for seq in [seq for seq in self._late if seq in by_seq]:
            if any(_ends_mass_cancel(row) for row in by_seq[seq]):
                request = self._late.pop(seq)
                request.complete(outcome_of(seq, by_seq[seq], request.account_slot, written), now_ns)

    def _explained(self, outcome: Outcome, place: int) -> Outcome:
        """The outcome of the command at a place of the batch; a refused order's says why, with its figures."""
        if outcome.reason and self._to_explain:
            self._to_explain -= 1
            projection = self.projection
            outcome.why = why(
                self.engine.root, projection.contracts(), self._stage.rows[place], outcome.reason, projection.shown_lots
            )
        return outcome

    def _report(self, events: Any) -> None:
        """Send binary sessions the order rows of their account; a reason that clients must not see is replaced."""
        if (events["reason"] == REASON_SANCTIONS).any():
            events = events.copy()
            events["reason"][events["reason"] == REASON_SANCTIONS] = shown(REASON_SANCTIONS)
        accounts = events["account_slot"]
        orders = events["kind"] < EVENT_NOTICE_FIRST
        if len(self.binary) > 1:
            present = set(np.unique(accounts).tolist())
        else:
            present = set(self.binary)
        for account_slot, origins in self.binary.items():
            if account_slot not in present:
                continue
            own = orders & (accounts == account_slot)
            data = events.tobytes() if own.all() else events[own].tobytes()
            if data:
                frame = binary_frame(data)
                for origin in origins:
                    origin.stage(frame)

    # --- out ------------------------------------------------------------------------------------------------------

    def close_turn(self, then: Callable[[], None] | None = None) -> None:
        """End of a loop turn: apply what is left and put what was staged into the outbox. `then` runs on release.

        The outbox comes before the commit, so that only the writes are left to do after an fsync.
        """
        self.settle()
        if self.dirty or then is not None:
            dirty, self.dirty = self.dirty, []
            writes = [(origin, origin.take_staged()) for origin in dirty]
            self._outbox.append((self.engine.last_seq, self._applied, writes, then))
            self._applied = UNTIMED
        self._commit(self._late_rows)
        if self._outbox:
            self.release()

    def release(self) -> None:
        """Send what may be heard of by now."""
        released_seq = self._released_to.seq
        outbox = self._outbox
        while outbox and outbox[0][0] <= released_seq:
            _, times, writes, then = outbox.popleft()
            self._released += 1
            timed = [times] if not self._released & TIMED_MASK and times is not UNTIMED and writes else []
            if outbox and outbox[0][0] <= released_seq:
                writes, then = self._joined(writes, then, released_seq, timed)
            begun_ns = clock.steady_ns() if timed else 0
            for origin, data in writes:
                origin.write(data)
            if timed:
                sent_ns = clock.steady_ns()
                for times in timed:
                    self.stage_times.sent(times, begun_ns, sent_ns)
            if then is not None:
                then()

    def _joined(
        self,
        writes: list[tuple[Origin, bytes]],
        then: Callable[[], None] | None,
        released_seq: int,
        timed: list[tuple[int, int]],
    ) -> tuple[list[tuple[Origin, bytes]], Callable[[], None] | None]:
        """The writes of this turn and of the durable ones behind it, one for each origin, up to the first `then`.

        After a sync that took long many turns wait, and a write to a socket costs as much as an order. `timed` gets the
        times of those turns of which they are counted: the first one alone would always be the one that waited longest.
        """
        outbox, found = self._outbox, dict[int, tuple[Origin, list[bytes]]]()
        while True:
            for origin, data in writes:
                found.setdefault(id(origin), (origin, []))[1].append(data)
            if then is not None or not outbox or outbox[0][0] > released_seq:
                break
            _, times, writes, then = outbox.popleft()
            self._released += 1
            if not self._released & TIMED_MASK and times is not UNTIMED and writes:
                timed.append(times)
        return [(origin, b"".join(parts)) for origin, parts in found.values()], then

    @property
    def collected(self) -> int:
        """How many commands the batch being collected has."""
        return self._count

    @property
    def unsent(self) -> int:
        """How many turns' answers wait until they are durable."""
        return len(self._outbox)

    @property
    def waiting_ns(self) -> int:
        """How long the oldest answers of a batch have waited to be durable."""
        oldest = next((times for _, times, _, _ in self._outbox if times is not UNTIMED), None)
        return 0 if oldest is None else clock.steady_ns() - oldest[1]

    def abandon(self) -> None:
        """Answer nobody any more.

        Whoever waits holds its session, in a way that the garbage collector does not see: without this the whole state
        of a venue that has failed would stay in memory.
        """
        self._waiting.clear()
        self._late.clear()
        self._outbox.clear()

    @property
    def is_done(self) -> bool:
        """Whether everything received has been answered, and was done to its end."""
        return self.is_idle and not self._late and not self.has_work

    @property
    def is_idle(self) -> bool:
        """Whether everything received has been answered."""
        return not (self._count or self._outbox or self.dirty)


def _rows(events: Any) -> list[Row]:
    """Event rows as tuples, notices in their own layout."""
    data = events.tobytes()
    return [
        row if row[KIND_AT] < EVENT_NOTICE_FIRST else NOTICE_STRUCT.unpack_from(data, index * ROW_BYTES)
        for index, row in enumerate(EVENT_STRUCT.iter_unpack(data))
    ]


def _ends_mass_cancel(row: Row) -> bool:
    return row[KIND_AT] in _ENDS_MASS_CANCEL


def outcome_of(seq: int, rows: Any, account_slot: int, written: Written) -> Outcome:
    """The outcome of one command, from the event rows with its sequence (due timers' rows among them)."""
    outcome = Outcome(seq=seq)
    has_fills = False
    for row in rows:
        kind = row[KIND_AT]
        if kind >= EVENT_NOTICE_FIRST:
            if kind == EVENT_REFUSED:
                outcome.reason = row[NOTICE_REASON_AT]
        elif kind == EVENT_MASS_CANCELLED:
            outcome.count = row[LAST_LOTS_AT]
        elif row[ACCOUNT_AT] != account_slot:
            continue
        elif kind == EVENT_REJECTED:
            outcome.reason, outcome.order_id = row[REASON_AT], row[ORDER_ID_AT]
        elif kind == EVENT_FILL:
            has_fills = True
        elif kind in _REPORTS or (kind == EVENT_CANCELLED and row[REASON_AT] in _ASKED_FOR):
            outcome.order_id = row[ORDER_ID_AT]
    if has_fills and outcome.order_id:
        outcome.trades = _own_trades(seq, outcome.order_id, written)
    return outcome


def _own_trades(seq: int, order_id: int, written: Written) -> list[UserTradeView]:
    segment, first, end = written
    legs = segment.legs[first:end]
    found = np.flatnonzero((legs["seq"] == seq) & (legs["order_id"] == order_id) & (legs["kind"] == TRADE_KIND))
    return [user_trade_view(segment.data, (first + index) * HISTORY_ROW_BYTES) for index in found.tolist()]
