"""The engine and the model side by side: the same commands into both, the same reports out of both.

The two number their orders differently; `Pair` keeps the bijection. A `Reference` in a script sets the mark and the
index of a contract in both.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from engine import host, invariants, listing, step, triggers
from engine.codes import CommandKind, EventFlag, EventKind, Mode, PriceSource
from engine.kernels import entry
from engine.row_access import contract_at
from engine.schema import DIRECTIVE, EVENT, NOTICE, Capacities
from tests.build import START_NS, Rows, numbered
from tests.model import Limits, Model
from tests.money_state import Watch
from tests.reach import Reach

RING_ROWS = 1 << 16
SLOT_BITS = 22
SLOT_MASK = (1 << SLOT_BITS) - 1
FORCED_TAKER = EventFlag.FORCED | EventFlag.TAKER
"""A forced order is named by its serial alone."""
OLDEST_REFERENCE = -64
ORDER_COMMANDS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL)
SMALL = Limits(orders=200, accounts=16, positions=40, groups=8, persons=8, jobs=4, clients=8)
_EVENT_ID = EVENT.names.index("order_id")
_EVENT_KIND = EVENT.names.index("kind")
_EVENT_FLAGS = EVENT.names.index("flags")
_NOTICE_NAMES = [name for name in NOTICE.names if name not in ("pad", "spare")]


@dataclass(frozen=True)
class Reference:
    """New reference prices of a contract, in subticks."""

    contract: int
    mark: int
    index: int


Script = list[Any]
"""Rows of commands and references, in order."""


def capacities(limits: Limits) -> Capacities:
    """The engine's capacities for the model's limits, with more than enough for prices."""
    return Capacities(**vars(limits), levels=4 * limits.orders + 64, nodes=9 * limits.orders + 256)


CAPACITIES = capacities(SMALL)


def create(limits: Limits = SMALL, mode: Mode = Mode.RESEARCH) -> Rows:
    """An empty engine."""
    return host.create(capacities(limits), mode)


@cache
def _ring(rows: int) -> Rows:
    """The event ring of this size, used again and again."""
    return np.zeros(rows, EVENT)


def apply(root: Rows, commands: Rows, ring_rows: int = RING_ROWS) -> Rows:
    """Everything that the engine reports on some commands, through a ring of a given size."""
    ring, done, reports = _ring(ring_rows), 0, []
    while done < len(commands):
        consumed, written = step.apply_batch(root, commands[done:], ring)
        assert consumed or written, "the engine makes no progress"
        reports.append(ring[:written].copy())
        done += consumed
    return np.concatenate(reports) if reports else ring[:0]


@entry
def _set_reference(root, contract_slot, mark, index):
    s = root[0]
    contract = contract_at(s, contract_slot)
    contract.mark_subticks = mark
    contract.mark_high_subticks = max(mark, contract.mark_high_subticks)
    contract.mark_low_subticks = min(mark, contract.mark_low_subticks) if contract.mark_low_subticks else mark
    listing.set_band(contract)
    triggers.observe(s, contract_slot, PriceSource.MARK)
    contract.index_subticks = index
    contract.index_high_subticks = max(index, contract.index_high_subticks)
    contract.index_low_subticks = min(index, contract.index_low_subticks) if contract.index_low_subticks else index
    triggers.observe(s, contract_slot, PriceSource.INDEX)


def set_reference(root: Rows, reference: Reference) -> None:
    """Give a contract of the engine a mark and an index."""
    _set_reference(root, reference.contract, reference.mark, reference.index)


def as_tuples(reports: Rows) -> list[tuple[Any, ...]]:
    """Report rows as tuples, each in its own layout."""
    events, notices = reports.tolist(), reports.view(NOTICE)[_NOTICE_NAMES].tolist()
    rows = zip(events, notices, strict=True)
    return [event if event[_EVENT_KIND] < EventKind.NOTICE_FIRST else notice for event, notice in rows]


def named(row: tuple[Any, ...]) -> dict[str, Any]:
    """A report with the names of its fields."""
    names = EVENT.names if row[_EVENT_KIND] < EventKind.NOTICE_FIRST else _NOTICE_NAMES
    return dict(zip(names, row, strict=True))


@dataclass
class Pair:
    """Both engines, the bijection of order ids, and what was really sent to the engine."""

    limits: Limits = SMALL
    mode: Mode = Mode.RESEARCH
    audited: bool = False
    watched: bool = False
    """Whether all money is compared after every command."""
    seq: int = 0
    now_ns: int = START_NS
    to_model: dict[int, int] = field(default_factory=dict)
    to_engine: dict[int, int] = field(default_factory=dict)
    sent: Script = field(default_factory=list)
    reach: Reach = field(default_factory=Reach)
    asked: Script = field(default_factory=list)
    """What was sent, with recent orders still named by their place."""

    def __post_init__(self) -> None:
        self.root = create(self.limits, self.mode)
        self.model = Model(self.limits, self.mode)
        self.reach.branches = self.model.reached
        self.watch = Watch(self.root, self.model)
        self.reports = _ring(RING_ROWS)[:0]

    def model_id(self, engine_id: int) -> int:
        """The model's number of an order, and one that it never gives for everything else."""
        return self.to_model.get(engine_id, ~engine_id if engine_id else 0)

    def _resolve(self, rows: Rows) -> tuple[Rows, Rows]:
        """A command for the engine and the same for the model; order id -n stands for a recent order."""
        theirs, ours = rows.copy(), rows.copy()
        kind, order_id = int(rows["kind"][0]), int(rows["order_id"][0])
        if kind not in ORDER_COMMANDS:
            return theirs, ours
        if kind in (CommandKind.AMEND, CommandKind.CANCEL) and OLDEST_REFERENCE <= order_id < 0:
            model_id = self.model.recent_order(int(rows["account_slot"][0]), -order_id)
            theirs["order_id"][0] = self.to_engine.get(model_id, 0)
            ours["order_id"][0] = model_id if model_id in self.to_engine else 0
        else:
            ours["order_id"][0] = self.model_id(order_id)
        return theirs, ours

    def _translate(self, rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The engine's reports with the model's order ids; an ACCEPTED row pairs two new ids."""
        translated = []
        for place, row in enumerate(rows):
            kind = row[_EVENT_KIND]
            if kind >= EventKind.NOTICE_FIRST:
                translated.append(row)
                continue
            engine_id = row[_EVENT_ID]
            if row[_EVENT_FLAGS] & FORCED_TAKER == FORCED_TAKER:
                translated.append((*row[:_EVENT_ID], engine_id >> SLOT_BITS, *row[_EVENT_ID + 1 :]))
                continue
            if kind == EventKind.ACCEPTED and place < len(expected):
                assert engine_id > 0 and engine_id not in self.to_model, f"order id {engine_id} was used before"
                model_id = expected[place][_EVENT_ID]
                self.to_model[engine_id], self.to_engine[model_id] = model_id, engine_id
                self.model.places[model_id] = engine_id & SLOT_MASK
            translated.append((*row[:_EVENT_ID], self.model_id(engine_id), *row[_EVENT_ID + 1 :]))
        return translated

    def send(self, rows: Rows, ring_rows: int = RING_ROWS) -> list[dict[str, Any]]:
        """One command into both; the reports, which must be the same."""
        numbered([rows], int(rows["seq"][0]) or self.seq + 1, self.now_ns)
        self.seq = int(rows["seq"][-1])
        self.now_ns = max(self.now_ns, int(rows["time_ns"][-1]))
        self.asked.append(rows)
        theirs, ours = self._resolve(rows)
        expected = self.model.apply(ours)
        self.sent.append(theirs)
        self.reports = apply(self.root, theirs, ring_rows)
        found = self._translate(as_tuples(self.reports), expected)
        assert found == expected, difference(found, expected, ours)
        if self.watched:
            self.reach.look(expected)
            self._compare_state(ours, expected)
        if self.audited:
            invariants.check(self.root)
        return [named(row) for row in expected]

    def _compare_state(self, rows: Rows, reports: list[tuple[Any, ...]]) -> None:
        """All money of both, after a command."""
        try:
            self.watch.compare(reports)
        except AssertionError as parted:
            raise AssertionError(f"after command {shown(rows[0])}\n{parted}") from None

    def refer(self, reference: Reference) -> None:
        """New reference prices in both."""
        self.sent.append(reference)
        self.asked.append(reference)
        set_reference(self.root, reference)
        self.model.set_reference(reference.contract, reference.mark, reference.index)

    def play(self, script: Script) -> list[dict[str, Any]]:
        """A whole script; all reports."""
        reports = []
        for item in script:
            if isinstance(item, Reference):
                self.refer(item)
            else:
                reports += self.send(item)
        return reports


def difference(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], rows: Rows) -> str:
    """Where two lists of reports part, readably."""
    place = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    place = min(len(found), len(expected)) if place is None else place
    lines = [f"command {shown(rows[0])}", f"report {place} of {len(expected)} (engine wrote {len(found)})"]
    for who, reports in (("engine", found), ("model", expected)):
        lines.append(f"{who}: {nonzero(named(reports[place])) if place < len(reports) else 'nothing'}")
    return "\n".join(lines)


def nonzero(report: dict[str, Any]) -> dict[str, Any]:
    """The fields of a report that say something."""
    return {name: value for name, value in report.items() if value}


def shown(row: Any) -> dict[str, Any]:
    """The fields of a command that say something."""
    if row["kind"] >= CommandKind.ACCOUNT_OPEN:
        row = np.array([row]).view(DIRECTIVE)[0]
    values = dict(zip(row.dtype.names or (), row.tolist(), strict=True))
    return {name: value for name, value in values.items() if name not in ("spare", "pad", "digest") and value}
