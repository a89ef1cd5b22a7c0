"""How many records of each kind and account an export has: after each day, after every so many records, and in all.

So what is missing shows where it is missing, also to one who has neither journal nor seal.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.audit_trail.columns import Record
from gateway.wire.civil_dates import civil_date, lapse_ns

COUNT = "count"
"""What a record is that counts those since the one before of its kind."""
COUNT_EVERY = 1000
"""So many records at most stand between two counts."""
NO_ACCOUNT = "none"


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


def counted(records: Iterable[Record]) -> Iterator[Record]:
    """The records, with a count behind those of each day in Hong Kong and behind every COUNT_EVERY."""
    since, last, ends_ns = Tally(), None, 0
    for record in records:
        if last is not None and (record["time_ns"] >= ends_ns or since.records == COUNT_EVERY):
            yield _count(since, last)
            since = Tally()
        if record["time_ns"] >= ends_ns:
            ends_ns = lapse_ns(civil_date(record["time_ns"]))
        since.add(record)
        last = record
        yield record
    if last is not None:
        yield _count(since, last)


def _count(since: Tally, last: Record) -> Record:
    day = {"day": str(civil_date(last["time_ns"]))}
    note = json.dumps(since.facts() | day, sort_keys=True)
    return {"record": COUNT, "time_ns": last["time_ns"], "count": since.records, "note": note}
