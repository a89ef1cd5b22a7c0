"""How many records of each kind and account an export has: after each day, after every so many records, and in all.

So what is missing shows where it is missing, also to one who has neither journal nor seal.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from engine.codes import NIL
from gateway.audit_trail.columns import Record
from gateway.audit_trail.trail_rows import word_text
from gateway.wire.civil_dates import civil_date, lapse_ns

COUNT = "count"
"""What a record is that counts those since the one before of its kind."""
COUNT_EVERY = 1000
"""So many records at most stand between two counts."""
NO_ACCOUNT = "none"
_RECORD_SHIFT = 48
_COMMAND_MASK = (1 << _RECORD_SHIFT) - 1


def kind_of(record: Record) -> str:
    """What a record is counted as: what it is and of what, such as `order NEW` or `event FILL`."""
    return f"{record.get('record', '')} {record.get('command', '')}".strip()


class Tally:
    """Counts of records by kind and by account."""

    def __init__(self) -> None:
        self.records = 0
        self.kinds: Counter[str] = Counter()
        self.accounts: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Count a record."""
        account = record.get("account_slot", -1)
        self.records += 1
        self.kinds[kind_of(record)] += 1
        self.accounts[str(account) if account >= 0 else NO_ACCOUNT] += 1

    def add_rows(self, rows: Any) -> None:
        """Count records that are rows."""
        self.records += len(rows)
        named, numbers = np.unique(rows["record"] << _RECORD_SHIFT | rows["command"], return_counts=True)
        for name, number in zip(named.tolist(), numbers.tolist(), strict=True):
            kind = f"{word_text(name >> _RECORD_SHIFT)} {word_text(name & _COMMAND_MASK)}"
            self.kinds[kind] += number
        slots, numbers = np.unique(np.maximum(rows["account_slot"], NIL), return_counts=True)
        for slot, number in zip(slots.tolist(), numbers.tolist(), strict=True):
            self.accounts[str(slot) if slot >= 0 else NO_ACCOUNT] += number

    def add_tally(self, other: "Tally") -> None:
        """Count what another one has counted."""
        self.records += other.records
        self.kinds.update(other.kinds)
        self.accounts.update(other.accounts)

    def facts(self) -> dict[str, Any]:
        """The counts for a note."""
        return {"counted": self.records, "kinds": dict(self.kinds), "accounts": dict(self.accounts)}

    def differences(self, claimed: Any) -> str:
        """In which counts these differ from those that a note claims; empty when they agree."""
        own, found = self.facts(), []
        if not isinstance(claimed, dict) or not all(isinstance(claimed.get(name), type(own[name])) for name in own):
            return "its counts are not as an export writes them"
        for name in ("kinds", "accounts"):
            what = "" if name == "kinds" else "account "
            for key in sorted({*own[name], *claimed[name]}):
                here, there = own[name].get(key, 0), claimed[name].get(key, 0)
                if here != there:
                    found.append(f"{there} of {what}{key} were counted, {here} are there")
        if not found and own["counted"] != claimed["counted"]:
            found.append(f"{claimed['counted']} were counted, {own['counted']} are there")
        return "; ".join(found)


def counted(items: Iterable[Any], total: Tally) -> Iterator[Any]:
    """Records and rows, with a count behind those of each day in Hong Kong and behind every COUNT_EVERY.

    `total` gets what was counted in all.
    """
    since, last_ns, ends_ns = Tally(), None, 0
    for item in items:
        while len(item):
            at_ns = int(item["time_ns"] if isinstance(item, dict) else item["time_ns"][0])
            if last_ns is not None and (at_ns >= ends_ns or since.records == COUNT_EVERY):
                total.add_tally(since)
                yield _count(since, last_ns)
                since = Tally()
            if at_ns >= ends_ns:
                ends_ns = lapse_ns(civil_date(at_ns))
            if isinstance(item, dict):
                since.add(item)
                last_ns = at_ns
                yield item
                break
            piece, item = _cut(item, ends_ns, COUNT_EVERY - since.records)
            since.add_rows(piece)
            last_ns = int(piece["time_ns"][-1])
            yield piece
    if last_ns is not None:
        total.add_tally(since)
        yield _count(since, last_ns)


def _cut(rows: Any, ends_ns: int, most: int) -> tuple[Any, Any]:
    """The rows before a time, at most so many, and the rest."""
    later = rows["time_ns"][:most] >= ends_ns
    size = int(np.argmax(later)) if later.any() else most
    return rows[:size], rows[size:]


def _count(since: Tally, last_ns: int) -> Record:
    day = {"day": str(civil_date(last_ns))}
    note = json.dumps(since.facts() | day, sort_keys=True)
    return {"record": COUNT, "time_ns": last_ns, "count": since.records, "note": note}
