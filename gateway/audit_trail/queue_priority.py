"""Whether clients were served before affiliates: the two queues of a price recomputed in plain Python from the events.

An order is of the class that its account had when it came to the book, and goes behind when its account is tagged.
No order of an affiliate may be filled at a price while clients' quantity rests there, shown or hidden. Every fill must
also carry the mark that this gives. Nothing of the engine's queues is used: only who was tagged when, and what became
of each order.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.code_values import EXEC_AFFILIATE, FLAG_RESTING, FLAG_TAKER, FLAG_UNTRIGGERED
from engine.codes import AccountAttribute, Affiliation, CommandKind, EventKind
from engine.schema import DIRECTIVE
from gateway.wire.event_rows import EVENT_STRUCT, NOTICE_STRUCT, Event, Notice

Progress = Callable[[int, int], None]
_ORDER_KINDS = (
    EventKind.ACCEPTED, EventKind.RESTED, EventKind.AMENDED, EventKind.REDUCED, EventKind.CANCELLED, EventKind.FILL,
)  # fmt: skip
_KINDS = (*_ORDER_KINDS, EventKind.ACCOUNT_CHANGED)
Place = tuple[int, int, int]
"""Contract, side and price in ticks."""


@dataclass
class QueueCheck:
    """The result for a journal. `lots` are those of `fills`, the fills of affiliates' resting orders.

    `first_bad` is the sequence of the first fill that breaks the rule, and `problem` says how.
    """

    file: str
    fills: int = 0
    lots: int = 0
    first_bad: int | None = None
    problem: str = ""

    def verdict(self) -> str:
        """One line for a person."""
        if self.problem:
            return self.problem
        what = f"{self.fills:,} fills of affiliates' resting orders, {self.lots:,} lots"
        return f"{self.file}: {what}: none before a client's quantity at its price, each marked"


@dataclass(slots=True)
class _Resting:
    account: int
    place: Place
    lots: int
    yields: bool


class Queues:
    """Follows the event stream: what rests where, and of which class it is."""

    def __init__(self, file: str) -> None:
        self.found = QueueCheck(file)
        self._tagged: set[int] = set()
        self._orders: dict[int, _Resting] = {}
        self._of_account: dict[int, set[int]] = defaultdict(set)
        self._clients_lots: dict[Place, int] = defaultdict(int)

    def take(self, events: Any) -> None:
        """Take some EVENT rows, the next ones of the stream."""
        rows = events[np.isin(events["kind"], _KINDS)]
        for place, data in enumerate(EVENT_STRUCT.iter_unpack(rows.tobytes())):
            row = Event._make(data)
            if row.kind == EventKind.ACCOUNT_CHANGED:
                self._changed(Notice._make(NOTICE_STRUCT.unpack(rows[place].tobytes())))
            else:
                self._moved(row)

    def _changed(self, row: Any) -> None:
        """A tag that comes moves what rests behind; one that goes moves nothing."""
        if row.code != AccountAttribute.AFFILIATION:
            return
        if row.new_value == Affiliation.CLIENT:
            self._tagged.discard(row.account_slot)
            return
        self._tagged.add(row.account_slot)
        for order_id in self._of_account[row.account_slot]:
            order = self._orders[order_id]
            if not order.yields:
                self._clients_lots[order.place] -= order.lots
                order.yields = True

    def _moved(self, row: Any) -> None:
        """What an event makes of an order: it comes to the book, changes there, trades, or leaves."""
        order = self._orders.get(row.order_id)
        if row.flags & FLAG_RESTING and row.kind in (EventKind.ACCEPTED, EventKind.RESTED):
            self._rest(row)
        elif order is None or row.flags & (FLAG_TAKER | FLAG_UNTRIGGERED):
            return
        elif row.kind == EventKind.FILL:
            self._traded(order, row)
            self._left(row.order_id, order, row.leaves_lots)
        elif row.kind == EventKind.AMENDED and not row.flags & FLAG_RESTING:
            self._left(row.order_id, order, 0)
        else:
            self._left(row.order_id, order, row.leaves_lots)

    def _rest(self, row: Any) -> None:
        place = (row.contract_slot, row.side, row.price_ticks)
        order = _Resting(row.account_slot, place, row.leaves_lots, row.account_slot in self._tagged)
        self._orders[row.order_id] = order
        self._of_account[order.account].add(row.order_id)
        if not order.yields:
            self._clients_lots[place] += order.lots

    def _left(self, order_id: int, order: _Resting, lots: int) -> None:
        """An order keeps so many lots on the book."""
        if not order.yields:
            self._clients_lots[order.place] += lots - order.lots
            if self._clients_lots[order.place] == 0:
                del self._clients_lots[order.place]
        order.lots = lots
        if lots == 0:
            del self._orders[order_id]
            self._of_account[order.account].discard(order_id)

    def _traded(self, order: _Resting, row: Any) -> None:
        """A resting order was filled: at its price, in its turn, with the right mark."""
        waiting = self._clients_lots.get(order.place, 0)
        marked = bool(row.flags & EXEC_AFFILIATE)
        self.found.fills += order.yields
        self.found.lots += row.last_lots if order.yields else 0
        if order.yields and waiting:
            taken = f"filled {row.last_lots:,} lots of an affiliate"
            what = f"{taken} while {waiting:,} lots of clients rested at its price"
        elif row.price_ticks != order.place[2]:
            what = f"filled at {row.price_ticks} ticks what rests at {order.place[2]}"
        elif marked != order.yields:
            names = ("a client's", "an affiliate's")
            what = f"marked as {names[marked]} what is {names[order.yields]}"
        else:
            return
        if self.found.first_bad is None:
            self.found.first_bad = row.seq
            self.found.problem = f"{self.found.file}: sequence {row.seq}: order {row.order_id} of account "
            self.found.problem += f"{row.account_slot}: {what}"


def check_queues(journal: Path, progress: Progress = lambda done, total: None) -> QueueCheck:
    """Check the rule over a whole journal. Where no account was ever tagged there is nothing to replay for."""
    queues = Queues(str(journal))
    if not _has_tags(journal):
        return queues.found
    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    for commands in reader.batches():
        engine.feed(commands, lambda _, events: queues.take(events))
        progress(reader.bytes_read, reader.bytes_total)
    return queues.found


def _has_tags(journal: Path) -> bool:
    """Whether any command asks for an affiliation."""
    for commands in host.JournalReader(journal).batches():
        rows = commands.view(DIRECTIVE)
        asked = (rows["kind"] == CommandKind.ACCOUNT_SET) & (rows["code"] == AccountAttribute.AFFILIATION)
        if np.any(asked & (rows["value"] != Affiliation.CLIENT)):
            return True
    return False
