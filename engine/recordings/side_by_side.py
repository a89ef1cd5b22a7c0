"""Two engines on one recording: one with the recording alone, one with own orders among the recorded ones.

Both take each command in turn. Where what they did differs, or an own order traded, the follower stops, and the market
with own orders is put right by one rule: *no recorded order stands with more than the recording has, nor at another
price*. So what our orders took from recorded ones is missing until the recording itself takes it away, and what a
recorded aggressor took from us instead of from a recorded order is taken from that order too: it is never traded twice
and never left behind. Without own trades both books of recorded orders are equal.
"""

from typing import Any

import numpy as np

from engine import book, idmap, row_access
from engine.code_values import COMMAND_LABEL, EVENT_NOTICE_FIRST
from engine.codes import NIL, AccountAttribute, CommandKind, EventKind, ExecInst, InvestorClass
from engine.kernels import entry, part
from engine.recordings.batches import Reader, command_rows
from engine.recordings.replay import prepare
from engine.recordings.research import ELIGIBLE, open_market
from engine.row_access import order_at
from engine.schema import COMMAND, DIRECTIVE, EVENT, MIN_EVENT_ROWS, VENUE, record
from engine.statements.stepping import apply_at, code_of_apply

OWN_ACCOUNT = VENUE.accounts - 1
"""The account of own orders: the last one, so that those of the recording may be any others."""
OWN_GROUP = 1
"""Its self-trade group: own orders do not trade with each other."""
RING_ROWS = 1 << 12
MAX_RING_ROWS = 1 << 24
"""What one command does has to fit; an order that trades with more orders than that is refused as a recording."""
_DONE, _STOPPED, _CRAMPED, _BROKEN = 0, 1, 2, 3
_ALONE, _TOGETHER = 0, 1

Rows = np.ndarray[Any, Any]

WORK = record(
    [
        ("code", "i8"),  # where the engine's code lies
        ("place", "i8"),  # the next command
        ("stop", "i8"),  # the command after the last
        ("stage", "i8"),  # which engine has it next
        ("alone_seq", "i8"),
        ("together_seq", "i8"),
        ("alone_written", "i8"),  # events of this command in the recording alone
        ("together_begun", "i8"),  # where this command's events begin in the other ring
        ("together_written", "i8"),
        ("own_account", "i8"),
    ]
)


@part
def _rows_of(commands, place, stop):
    """A command's rows: with its label, which follows it."""
    return 2 if place + 1 < stop and commands[place + 1].kind == COMMAND_LABEL else 1


@part
def _number(commands, place, rows, seq):
    for row in range(rows):
        commands[place + row].seq = seq + row


@part
def _differs(together, begun, written, alone, alone_written, own_account):
    """Whether two engines told different things of recorded orders, or one told anything of an own order."""
    if written - begun != alone_written:
        return True
    for row in range(alone_written):
        ours, theirs = together[begun + row], alone[row]
        if ours.account_slot == own_account or ours.kind != theirs.kind:
            return True
        if ours.kind < EVENT_NOTICE_FIRST:
            if ours.cl_ord_id != theirs.cl_ord_id or ours.leaves_lots != theirs.leaves_lots:
                return True
            if ours.price_ticks != theirs.price_ticks or ours.last_lots != theirs.last_lots:
                return True
    return False


@part
def _apply(root, code, span, ring, address, written):
    """Apply a command with its events behind those written: (status, events in the ring)."""
    room = len(ring) - written
    if room < MIN_EVENT_ROWS:
        return _CRAMPED, written
    consumed, more = apply_at(code, root, span, (address, written, room))
    if consumed < 0:
        return _BROKEN, written
    return (_DONE if consumed == span[2] else _CRAMPED), written + more


@entry
def _advance(alone, together, work, commands, alone_ring, together_ring):
    """Both engines through the commands up to `stop`, or to where they differ; the last three are (rows, address)."""
    row = work[0]
    orders, address = commands
    while row.place < row.stop:
        place, rows = np.int64(row.place), _rows_of(orders, row.place, row.stop)
        if row.stage == _ALONE:
            _number(orders, place, rows, row.alone_seq)
            status, written = _apply(
                alone, row.code, (address, place, rows), alone_ring[0], alone_ring[1], np.int64(row.alone_written)
            )
            row.alone_written = written
            if status != _DONE:
                return status
            row.stage, row.together_begun = _TOGETHER, row.together_written
        _number(orders, place, rows, row.together_seq)
        status, written = _apply(
            together, row.code, (address, place, rows), together_ring[0], together_ring[1],
            np.int64(row.together_written),
        )  # fmt: skip
        row.together_written = written
        if status != _DONE:
            return status
        row.stage = _ALONE
        row.place += rows
        row.alone_seq += rows
        row.together_seq += rows
        begun, told = np.int64(row.together_begun), np.int64(row.alone_written)
        if _differs(together_ring[0], begun, np.int64(written), alone_ring[0], told, row.own_account):
            return _STOPPED
        row.alone_written = 0
    return _DONE


@entry
def _order_of(root, account_slot, cl_ord_id):
    """(order id, open quantity, price) of an account's open order by the client's id; zeros where there is none."""
    s = root[0]
    s.recent.tag = 0
    slot = book.find_client_order(s, idmap.tag_of(account_slot, cl_ord_id), account_slot, cl_ord_id)
    if slot == NIL:
        return 0, 0, 0
    order = order_at(s, slot)
    return np.int64(order.order_id), np.int64(order.leaves_lots), np.int64(order.price_ticks)


@entry
def _ahead_of(root, order_id):
    """(orders, shown quantity) that stand before an order in its level's queue; NIL where it is in none."""
    s = root[0]
    slot = book.find_order(s, order_id)
    if slot == NIL or order_at(s, slot).level_slot == NIL:
        return NIL, NIL
    orders, lots = 0, 0
    slot = np.int64(order_at(s, slot).prev_slot)
    while slot != NIL:
        orders += 1
        lots += book.shown_lots(s, slot)
        slot = np.int64(order_at(s, slot).prev_slot)
    return orders, lots


class SideBySide:
    """A recording's market alone and the same with own orders; `alone` and `together` are the runners of their engines.

    `events` are what happened in the market with own orders since `forget`, valid until the next step.
    """

    def __init__(self, recording: Reader) -> None:
        self.alone, self.together = prepare(recording), prepare(recording)
        self.corrections = 0
        """How many recorded orders were cut back to what the recording has."""
        self._rings = [np.zeros(RING_ROWS, EVENT), np.zeros(RING_ROWS, EVENT)]
        self._work = np.zeros(1, WORK)
        self._work["own_account"] = OWN_ACCOUNT
        self._work["code"] = code_of_apply(self.alone.engine.root)
        self._apply(_opening(VENUE.orders))
        self.forget()

    def open(self, recording: Reader) -> None:
        """List in both markets the contracts that have appeared in the recording, and open its accounts."""
        for runner in (self.alone, self.together):
            open_market(runner, recording)

    @property
    def events(self) -> Rows:
        """What happened with own orders among the recorded ones since `forget`."""
        return self._rings[_TOGETHER][: int(self._work["together_written"][0])]

    def forget(self) -> None:
        """Begin the events anew."""
        self._work["together_written"] = 0

    def advance(self, commands: Rows, start: int, stop: int) -> tuple[int, Rows]:
        """Recorded commands through both markets, up to `stop` or behind the first that an own order took part in.

        Returns the row behind the last one that was applied, and that one's events if it is such a command. `seq` of
        the rows is overwritten.
        """
        work = self._work
        work["place"], work["stop"], work["alone_written"] = start, stop, 0
        given = (commands, row_access.address_of(commands))
        while self._go(given) == _STOPPED:
            events = self._put_right()
            if (events["account_slot"] == OWN_ACCOUNT).any():
                return int(work["place"][0]), events
        return stop, self.events[:0]

    def submit(self, commands: Rows) -> Rows:
        """Own commands, which the recording's own market does not see; what they did."""
        begun = len(self.events)
        self._apply(commands)
        return self.events[begun:]

    def order(self, cl_ord_id: int, account_slot: int = OWN_ACCOUNT) -> tuple[int, int, int]:
        """(order id, open quantity, price) of an open order by the client's id; zeros where there is none."""
        return _found(_order_of(self.together.engine.root, account_slot, cl_ord_id))

    def ahead(self, cl_ord_id: int) -> tuple[int, int]:
        """(orders, quantity) that stand before an own order in its level's queue; (-1, -1) where it is in none."""
        orders, lots = _ahead_of(self.together.engine.root, self.order(cl_ord_id)[0])
        return int(orders), int(lots)

    def _go(self, commands: tuple[Rows, Any]) -> int:
        """Both engines on until all is done or they differ; a ring that is too small grows."""
        work, engines = self._work, (self.alone.engine, self.together.engine)
        work["alone_seq"], work["together_seq"] = (engine.last_seq + 1 for engine in engines)
        status = _CRAMPED
        while status == _CRAMPED:
            rings = [(ring, row_access.address_of(ring)) for ring in self._rings]
            status = int(_advance(engines[0].root, engines[1].root, work, commands, *rings))
            if status == _CRAMPED:
                self._grow(int(work["stage"][0]))
        if status == _BROKEN:
            raise RuntimeError("an invariant of the engine does not hold: the replay cannot go on")
        for runner, name in ((self.alone, "alone_seq"), (self.together, "together_seq")):
            runner.engine.last_seq = int(work[name][0]) - 1
            runner.catch_up()
        return status

    def _grow(self, which: int) -> None:
        ring = self._rings[which]
        if 2 * len(ring) > MAX_RING_ROWS:
            raise ValueError(f"more than {len(ring):,} events at once: take them at shorter intervals")
        self._rings[which] = np.concatenate([ring, np.zeros(len(ring), EVENT)])

    def _apply(self, commands: Rows) -> None:
        """Commands into the market with own orders alone, their events behind those that are there."""

        def keep(events: Rows) -> None:
            written = int(self._work["together_written"][0])
            while len(self._rings[_TOGETHER]) < written + len(events):
                self._grow(_TOGETHER)
            self._rings[_TOGETHER][written : written + len(events)] = events
            self._work["together_written"] = written + len(events)

        self.together.stamp(commands)
        self.together.feed(commands, keep)

    def _put_right(self) -> Rows:
        """Cut recorded orders that a command treated differently back to what the recording has. Its own events."""
        begun, written = int(self._work["together_begun"][0]), int(self._work["together_written"][0])
        told = self._rings[_ALONE][: int(self._work["alone_written"][0])]
        events = self._rings[_TOGETHER][begun:written]
        self._work["alone_written"] = 0
        rows = [row for name in sorted(_named(told) | _named(events)) if (row := self._correction(*name))]
        if rows:
            self.corrections += len(rows)
            names = ("kind", "flags", "account_slot", "order_id", "qty_lots", "time_ns")
            now_ns = int(self.together.engine.root[0]["now_ns"])
            self._apply(command_rows([(*row, now_ns) for row in rows], names))
        return self._rings[_TOGETHER][begun:written]

    def _correction(self, account_slot: int, cl_ord_id: int) -> tuple[int, ...]:
        """The command that takes away what a recorded order has beyond the recording; empty for none."""
        _, recorded_lots, recorded_ticks = _found(_order_of(self.alone.engine.root, account_slot, cl_ord_id))
        order_id, lots, price_ticks = self.order(cl_ord_id, account_slot)
        if lots and (not recorded_lots or price_ticks != recorded_ticks):
            return CommandKind.CANCEL, 0, account_slot, order_id, 0
        if lots > recorded_lots:
            return CommandKind.AMEND, ExecInst.QTY_IS_LEAVES, account_slot, order_id, recorded_lots
        return ()


def _found(values: Any) -> tuple[int, int, int]:
    order_id, lots, price_ticks = values
    return int(order_id), int(lots), int(price_ticks)


def _named(events: Rows) -> set[tuple[int, int]]:
    """(account, client's id) of each recorded order that events are about."""
    about = events[(events["kind"] < EventKind.NOTICE_FIRST) & (events["account_slot"] != OWN_ACCOUNT)]
    names = zip(about["account_slot"].tolist(), about["cl_ord_id"].tolist(), strict=True)
    return {name for name in names if name[1]}


def _opening(max_orders: int) -> Rows:
    """The commands that open the account of own orders."""
    attributes = ELIGIBLE | {AccountAttribute.GROUP: OWN_GROUP, AccountAttribute.MAX_OPEN_ORDERS: max_orders}
    rows = np.zeros(1 + len(attributes), DIRECTIVE)
    rows["account_slot"] = OWN_ACCOUNT
    rows[0]["kind"], rows[0]["value"] = CommandKind.ACCOUNT_OPEN, InvestorClass.INSTITUTIONAL
    for row, (attribute, value) in zip(rows[1:], attributes.items(), strict=True):
        row["kind"], row["code"], row["value"] = CommandKind.ACCOUNT_SET, attribute, value
    return rows.view(COMMAND)
