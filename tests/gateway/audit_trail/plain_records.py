"""The records of a journal in plain Python, a command at a time: what the compiled rows are held against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.code_values import COMMAND_MASS_CANCEL, COMMAND_NEW, EVENT_NOTICE_FIRST
from engine.codes import (
    NIL,
    AccountAttribute,
    Attested,
    ClientAttribute,
    CommandKind,
    ContractParameter,
    EventFlag,
    EventKind,
    ExecInst,
    MarketState,
    OrdType,
    Reason,
    Side,
    Switch,
    TimeInForce,
    VenueParameter,
    VenueState,
)  # fmt: skip
from engine.schema import DIRECTIVE
from gateway.audit_trail.columns import Record
from gateway.audit_trail.journal_follower import survey
from gateway.audit_trail.records import Scope
from gateway.wire.event_rows import EVENT_STRUCT, KIND_AT, NOTICE_STRUCT, Event, Notice
from tests.gateway.audit_trail.plain_figures import ORDER_COMMANDS, look, standing
from tests.halves import do_due, judge

_LABELLED = (COMMAND_NEW, COMMAND_MASS_CANCEL)
Happening = Any
"""One event row as a named tuple, an `Event` or a `Notice`."""


Look = Callable[[Any, Any, list[Happening]], Any]
"""(root, command, events of due work before it) -> what is to be kept of this state."""


@dataclass
class Moment:
    """One command: what `look` kept just before it, and the command's own events."""

    command: Any
    has_label: bool
    seen: Any
    events: list[Happening]


class Follower:
    """Replays a journal. `root` is the present state of the replay."""

    def __init__(self, journal: Path) -> None:
        self.reader = host.JournalReader(journal)
        self.genesis = self.reader.position.chain.hex()
        self.engine = host.Engine(host.create(self.reader.capacities, self.reader.mode))
        self.root = self.engine.root

    def moments(self, look: Look, stops: Any, until_seq: int | None = None) -> Iterator[Moment]:
        """The commands with these sequences, in order; all other commands, up to a sequence, are only applied.

        `look` is called with the state after the work that was due before a command, and before the command itself.
        """
        for rows in self.reader.batches(until_seq):
            if not len(rows):
                return
            done, first_seq = 0, int(rows["seq"][0])
            low, high = np.searchsorted(stops, (first_seq, first_seq + len(rows)))
            for seq in stops[low:high].tolist():
                place = seq - first_seq
                if place and _has_label(rows, place - 1):
                    place -= 1
                if place < done:
                    continue
                if done < place:
                    self.engine.feed(rows[done:place], _ignore)
                size = 2 if _has_label(rows, place) else 1
                yield self._step(rows[place : place + size], look)
                done = place + size
            if done < len(rows):
                self.engine.feed(rows[done:], _ignore)

    def _step(self, rows: Any, look: Look) -> Moment:
        events, left_ns = do_due(self.engine, rows)
        due = happenings(events)
        seen = look(self.root, rows[0], due)
        return Moment(rows[0], len(rows) > 1, seen, happenings(judge(self.engine, rows, left_ns)))


def _ignore(commands: Any, events: Any) -> None:
    return None


def _has_label(rows: Any, place: int) -> bool:
    """Whether the row behind a command is its label."""
    row = rows[place]
    if int(row["kind"]) not in _LABELLED or not int(row["flags"]) & ExecInst.LABELLED or place + 1 == len(rows):
        return False
    return int(rows[place + 1]["kind"]) == CommandKind.LABEL


def happenings(events: Any) -> list[Happening]:
    """Event rows as named tuples, each in its own layout."""
    data = events.tobytes()
    return [
        Event._make(row)
        if row[KIND_AT] < EVENT_NOTICE_FIRST
        else Notice._make(NOTICE_STRUCT.unpack_from(data, place * EVENT_STRUCT.size))
        for place, row in enumerate(EVENT_STRUCT.iter_unpack(data))
    ]


# --- records --------------------------------------------------

_OUTCOMES = {
    EventKind.ACCEPTED: "accepted",
    EventKind.REPEATED: "repeated",
    EventKind.AMENDED: "amended",
    EventKind.CANCELLED: "cancelled",
    EventKind.REJECTED: "refused",
}
_QUIET_EVENTS = (
    EventKind.ACCEPTED, EventKind.REPEATED, EventKind.REJECTED, EventKind.RESTED, EventKind.AMENDED, EventKind.REFILLED,
    EventKind.MASS_CANCELLED, EventKind.ATTESTED,
)  # fmt: skip
_MARKET_DATA = (EventKind.INDEX_RECORDED, EventKind.INDEX_CHANGED, EventKind.MARK_CHANGED, EventKind.PREMIUM_SAMPLED)
_ANSWERS: dict[int, int] = {
    CommandKind.ACCOUNT_OPEN: EventKind.ACCOUNT_OPENED,
    CommandKind.ACCOUNT_SET: EventKind.ACCOUNT_CHANGED,
    CommandKind.PERSON_SET: EventKind.PERSON_CHANGED,
    CommandKind.KEY_REVOKE: EventKind.KEY_REVOKED,
    CommandKind.GROUP_SET: EventKind.GROUP_CHANGED,
    CommandKind.CLIENT_SET: EventKind.CLIENT_CHANGED,
    CommandKind.DEPOSIT: EventKind.CASH_CHANGED,
    CommandKind.WITHDRAW: EventKind.CASH_CHANGED,
    CommandKind.TRANSFER: EventKind.CASH_CHANGED,
    CommandKind.SET_LEVERAGE: EventKind.LEVERAGE_CHANGED,
    CommandKind.SET_MARGIN_MODE: EventKind.MARGIN_MODE_CHANGED,
    CommandKind.FUND_DEPOSIT: EventKind.FUND_CHANGED,
    CommandKind.AFFILIATE_APPROVAL: EventKind.AFFILIATE_APPROVED,
    CommandKind.CONTRACT_CREATE: EventKind.CONTRACT_CREATED,
    CommandKind.CONTRACT_SET: EventKind.CONTRACT_CHANGED,
    CommandKind.CONTRACT_LIST: EventKind.CONTRACT_LISTED,
    CommandKind.CONTRACT_STATE: EventKind.CONTRACT_STATE_CHANGED,
    CommandKind.VENUE_STATE: EventKind.VENUE_STATE_CHANGED,
    CommandKind.VENUE_SET: EventKind.VENUE_CHANGED,
    CommandKind.INDEX_PRICE: EventKind.INDEX_RECORDED,
    CommandKind.ATTEST: EventKind.ATTESTED,
    CommandKind.SWITCH: EventKind.SWITCHED,
}
"""The notice that says that a directive took effect."""
_CODES: dict[int, type[IntEnum]] = {
    CommandKind.ACCOUNT_SET: AccountAttribute,
    CommandKind.ATTEST: Attested,
    CommandKind.CLIENT_SET: ClientAttribute,
    CommandKind.CONTRACT_SET: ContractParameter,
    CommandKind.CONTRACT_STATE: MarketState,
    CommandKind.SWITCH: Switch,
    CommandKind.VENUE_STATE: VenueState,
    CommandKind.VENUE_SET: VenueParameter,
}
_ACCOUNT_KINDS = (
    CommandKind.ACCOUNT_OPEN, CommandKind.ACCOUNT_SET, CommandKind.DEPOSIT, CommandKind.WITHDRAW, CommandKind.TRANSFER,
    CommandKind.SET_LEVERAGE, CommandKind.SET_MARGIN_MODE, CommandKind.AFFILIATE_APPROVAL,
    CommandKind.KEY_REVOKE, CommandKind.SWITCH,
)  # fmt: skip


def name_of(code: int, *enums: type[IntEnum]) -> str:
    """The name of a code, or its number when it has none."""
    for enum in enums:
        if code in enum._value2member_map_:
            return enum(code).name
    return str(code)


def plain_records(journal: Path, scope: Scope) -> Iterator[Record]:
    """The records of a scope of a whole journal, neither numbered nor chained; one account's with its client."""
    stops = survey(journal, scope.wanted).stops
    follower = Follower(journal)
    for moment in follower.moments(_Look(scope), stops):
        yield from (*moment.seen[0], *_of_command(follower.root, moment, scope))


class _Look:
    """What is kept at a command: the records of the due work before it, and the figures of the decision."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __call__(self, root: Any, command: Any, due: list[Happening]) -> tuple[list[Record], dict[str, int]]:
        records = [record for row in due for record in _of_event(root, row, self._scope)]
        time_ns = max(int(root["now_ns"][0]), int(command["time_ns"]))
        wanted = self._scope.holds(time_ns, _account_of(command), _client_of(command))
        return records, look(root, command) if wanted else {}


def _account_of(command: Any) -> int:
    """The account that a command is about, NIL when there is none."""
    kind = int(command["kind"])
    if kind in ORDER_COMMANDS:
        return int(command["account_slot"])
    return int(command.view(DIRECTIVE)["account_slot"]) if kind in _ACCOUNT_KINDS else NIL


def _client_of(command: Any) -> int:
    """The client that a command is about, 0 when there is none."""
    return int(command.view(DIRECTIVE)["index"]) if int(command["kind"]) == CommandKind.CLIENT_SET else 0


def _of_command(root: Any, moment: Moment, scope: Scope) -> Iterator[Record]:
    """The record of the decision on a command, then those of its other effects."""
    command, kind = moment.command, int(moment.command["kind"])
    if kind not in (CommandKind.TIME, CommandKind.LABEL) and moment.events:
        if scope.holds(moment.events[0].time_ns, _account_of(command), _client_of(command)):
            record = _order(command, moment) if kind in ORDER_COMMANDS else _directive(command, moment)
            if _is_kept(kind, scope) or record["outcome"] == "refused":
                yield record
    for row in moment.events:
        if not (isinstance(row, Notice) and _is_answer(kind, row)):
            yield from _of_event(root, row, scope)


def _is_kept(kind: int, scope: Scope) -> bool:
    """Whether directives of a kind that took effect are in exports of a scope."""
    if kind == CommandKind.ATTEST:
        return scope.account_slot < 0
    return kind != CommandKind.INDEX_PRICE or scope.with_index


def _is_answer(kind: int, row: Happening) -> bool:
    return row.kind in (EventKind.REFUSED, _ANSWERS.get(kind))


def _order(command: Any, moment: Moment) -> Record:
    """The decision on an order command: the first of its events that answers it."""
    kind = int(command["kind"])
    row = next((row for row in moment.events if isinstance(row, Event) and _decides(kind, row)), None)
    outcome = _OUTCOMES[EventKind(row.kind)] if row else "accepted"
    labelled = int(command["flags"]) & ExecInst.LABELLED and kind in (CommandKind.NEW, CommandKind.MASS_CANCEL)
    further = {"order_form_broken": 1} if labelled and not moment.has_label else {}
    made = row and outcome in ("accepted", "amended") and row.flags & EventFlag.MADE_REDUCE_ONLY
    if made and not moment.seen[1].get("order_flags", 0) & ExecInst.REDUCE_ONLY:
        further["order_made_reduce_only"] = 1
    return {
        "seq": int(command["seq"]),
        "time_ns": moment.events[0].time_ns,
        "record": "order",
        "command": CommandKind(kind).name,
        "outcome": outcome,
        "reason": Reason(row.reason).name if row and row.reason else "",
        **{name: int(command[name]) for name in ("account_slot", "contract_slot", "person", "key")},
        "order_id": row.order_id if row else int(command["order_id"]),
        "cl_ord_id": row.cl_ord_id if row else int(command["cl_ord_id"]),
        "side": name_of(int(command["side"]), Side),
        "ord_type": name_of(int(command["ord_type"]), OrdType),
        "tif": name_of(int(command["tif"]), TimeInForce),
        **{name: int(command[name]) for name in ("flags", "qty_lots", "price_ticks", "trigger_price_ticks")},
        **moment.seen[1],
        **further,
    }


def _decides(kind: int, row: Happening) -> bool:
    """Whether an event is the answer to an order command; a mass cancel's own cancellations are not."""
    if kind == CommandKind.MASS_CANCEL:
        return row.kind == EventKind.REJECTED
    return row.kind in _OUTCOMES


def _directive(command: Any, moment: Moment) -> Record:
    """A directive and whether it took effect: old and new value, who asked, who approved, and why."""
    row, kind = command.view(DIRECTIVE), int(command["kind"])
    answer = next((row for row in moment.events if isinstance(row, Notice) and _is_answer(kind, row)), None)
    refused = answer is not None and answer.kind == EventKind.REFUSED
    record = {
        "seq": int(row["seq"]),
        "time_ns": moment.events[0].time_ns,
        "record": "directive",
        "command": name_of(kind, CommandKind),
        "outcome": "refused" if refused else "changed",
        "reason": Reason(answer.reason).name if answer is not None and refused else "",
        "code": name_of(int(row["code"]), *([_CODES[kind]] if kind in _CODES else [])),
        "new_value": int(row["value"]),
        **{name: int(row[name]) for name in _DIRECTIVE_FIELDS},
        "account_slot": _account_of(command),
        "reason_number": int(row["reason"]),
        "digest": row["digest"].tobytes().hex() if row["digest"].any() else "",
        **moment.seen[1],
    }
    if answer is not None and not refused:
        record |= {"old_value": answer.old_value, "new_value": answer.new_value, "cash_micros": answer.cash_micros}
    return record


_DIRECTIVE_FIELDS = (
    "account_slot", "contract_slot", "index", "person", "key", "amount_micros", "price_subticks", "actor", "approver",
    "reference", "source_time_ns",
)  # fmt: skip


def _of_event(root: Any, row: Happening, scope: Scope) -> Iterator[Record]:
    """The record of an event, if the trail keeps its kind: what ended, traded, changed or was taken."""
    if not scope.holds(row.time_ns, row.account_slot):
        return
    if isinstance(row, Notice):
        if row.kind not in _MARKET_DATA:
            yield _of_notice(root, row)
    elif row.kind not in _QUIET_EVENTS and not (row.kind == EventKind.CANCELLED and row.reason == Reason.BY_CLIENT):
        yield _of_order_event(root, row)


def _of_order_event(root: Any, row: Happening) -> Record:
    record: Record = {
        "seq": row.seq,
        "time_ns": row.time_ns,
        "record": "event",
        "command": name_of(row.kind, EventKind),
        "outcome": "happened",
        "reason": name_of(row.reason, Reason) if row.reason else "",
        "side": name_of(row.side, Side),
        "ord_type": name_of(row.ord_type, OrdType),
        "tif": name_of(row.tif, TimeInForce),
        **{name: getattr(row, name) for name in _EVENT_FIELDS},
    }
    if row.kind == EventKind.FILL:
        record |= {name: getattr(row, name) for name in ("trade_id", "fee_micros", "position_lots", "cash_micros")}
    elif row.kind != EventKind.MASS_CANCELLED:
        record |= standing(root, row.account_slot, row.contract_slot)
    return record


_EVENT_FIELDS = (
    "account_slot", "contract_slot", "order_id", "cl_ord_id", "flags", "price_ticks", "last_lots", "leaves_lots",
    "filled_lots",
)  # fmt: skip
_NOTICE_FIELDS = (
    "account_slot", "contract_slot", "person", "old_value", "new_value", "amount_micros", "price_subticks",
    "other_price_subticks", "rate_ppb", "position_lots", "cash_micros", "actor", "approver", "reference",
)  # fmt: skip
_WITH_EQUITY = (
    EventKind.LIQUIDATION_FLAGGED, EventKind.LIQUIDATION_STARTED, EventKind.LIQUIDATION_CURED, EventKind.MARGIN_CALL
)  # fmt: skip
"""The notice has the cross pool's equity and maintenance margin at its own instant; the state may be later."""


def _of_notice(root: Any, row: Happening) -> Record:
    record: Record = {
        "seq": row.seq,
        "time_ns": row.time_ns,
        "record": "event",
        "command": name_of(row.kind, EventKind),
        "outcome": "happened",
        "reason": name_of(row.reason, Reason) if row.reason else "",
        "code": str(row.code),
        "index": row.index,
        **{name: getattr(row, name) for name in _NOTICE_FIELDS},
    }
    if row.kind in _WITH_EQUITY:
        record |= {"account_equity_micros": row.old_value, "account_maintenance_micros": max(row.new_value, 0)}
    elif row.kind == EventKind.ELIGIBILITY_LAPSED:
        record |= standing(root, row.account_slot, row.contract_slot)
    return record
