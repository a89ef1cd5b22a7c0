"""One order's history from the journal alone: each decision on it with the ladder, and all its events."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventKind
from gateway.audit_trail.admission_ladder import Rung, judge
from gateway.audit_trail.columns import Record
from gateway.audit_trail.journal_follower import stops
from gateway.audit_trail.records import records_at

ENDS = ("CANCELLED", "REDUCED")
JUDGED, OUTCOMES = ("NEW", "AMEND"), ("accepted", "amended", "refused")


@dataclass(frozen=True)
class Step:
    """One record of an order's life; a decision on it comes with the rows of the ladder."""

    record: Record
    ladder: list[Rung]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"record": self.record, "ladder": [asdict(rung) for rung in self.ladder]}


def story(journal: Path, order_id: int, account_slot: int | None = None, cl_ord_id: int = 0) -> list[Step]:
    """The life of an order by the venue's id, or of an account's latest with a client's id. ValueError for none."""
    if account_slot is None:
        places = stops(journal, lambda commands, events: _by_order(events, order_id))
        records = list(records_at(journal, places))
    else:
        places = stops(journal, lambda commands, events: _by_client(events, account_slot, cl_ord_id))
        records = list(records_at(journal, places))
        asked = [row for row in records if _asks(row, account_slot, cl_ord_id)]
        if not asked:
            raise ValueError(f"account {account_slot} never sent an order with cl_ord_id {cl_ord_id}")
        order_id = asked[-1].get("order_id", 0)
        if asked[-1]["outcome"] == "refused":
            return [_step(asked[-1])]
    found = [record for record in records if record.get("order_id") == order_id]
    if not found:
        raise ValueError(f"the journal knows no order {order_id}; to name it by cl_ord_id give --account")
    ended = {record["seq"] for record in found if record["command"] in ENDS}
    causes = [record for record in records if record["seq"] in ended and _commands_others(record)]
    kept = {id(record) for record in (*found, *causes)}
    return [_step(record) for record in records if id(record) in kept]


def story_at(journal: Path, seq: int) -> list[Step]:
    """One command's request, answer and effects. ValueError when the log has no such sequence."""
    found = [_step(record) for record in records_at(journal, np.array([seq]))]
    if not found:
        raise ValueError(f"sequence {seq}: the journal has no command there that the trail tells of")
    return found


def _commands_others(record: Record) -> bool:
    """Whether a record is a command that cancels other orders: a mass cancel or a directive."""
    return record["record"] == "directive" or record["command"] == CommandKind.MASS_CANCEL.name


def _step(record: Record) -> Step:
    judged = record["record"] == "order" and record["command"] in JUDGED
    return Step(record, judge(record) if judged and record["outcome"] in OUTCOMES else [])


def _asks(record: Record, account_slot: int, cl_ord_id: int) -> bool:
    return (
        record.get("command") == CommandKind.NEW.name
        and record.get("account_slot") == account_slot
        and record.get("cl_ord_id") == cl_ord_id
        and record["outcome"] != "repeated"
    )


def _by_order(events: Any, order_id: int) -> Any:
    """Where an order's events are."""
    return events["seq"][_orders(events) & (events["order_id"] == order_id)]


def _by_client(events: Any, account_slot: int, cl_ord_id: int) -> Any:
    """Where an account's orders with a client's id are asked for and reported."""
    mine = (events["account_slot"] == account_slot) & (events["cl_ord_id"] == cl_ord_id)
    return events["seq"][_orders(events) & mine]


def _orders(events: Any) -> Any:
    return events["kind"] < EventKind.NOTICE_FIRST
