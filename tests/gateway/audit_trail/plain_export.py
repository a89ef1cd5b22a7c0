"""An export in plain Python, from the text of its format (gateway/audit_trail/README.md): what a file must be."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from engine import host
from gateway.audit_trail.columns import COLUMNS, Record
from gateway.audit_trail.journal_follower import survey
from gateway.audit_trail.records import Scope
from gateway.wire.civil_dates import civil_date
from tests.gateway.audit_trail.plain_records import plain_records

FORMAT = "lionrock audit trail 2"


def plain_export(journal: Path, scope: Scope, kind: str, others: Iterable[Record] = ()) -> bytes:
    """The bytes of an export; `others` are the records of the gateway."""
    records = list(plain_trail(journal, scope, others))
    if kind == "jsonl":
        return b"".join(_json(record) + b"\n" for record in records)
    out, names = io.StringIO(), (*COLUMNS, "chain")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([record.get(name, "") for name in names] for record in records)
    return out.getvalue().encode()


def _json(value: Any, is_canonical: bool = False) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=is_canonical).encode()


def plain_trail(journal: Path, scope: Scope, others: Iterable[Record] = ()) -> Iterator[Record]:
    """The records of an export, numbered and chained."""
    seen = survey(journal, scope.wanted)
    scope = scope.of_owner(seen.root)
    note = scope.note(host.JournalReader(journal).position.chain.hex())
    records = sorted([*others, *plain_records(journal, scope)], key=lambda record: record["time_ns"])
    kinds, accounts = _counts(records)
    facts = {"last_seq": seen.last_seq, "journal": seen.chain.hex(), "filter": scope.__dict__, "counted": len(records),
             "kinds": kinds}  # fmt: skip
    if scope.account_slot >= 0:
        facts["accounts"] = accounts
    rows = [{"record": "begin", "note": note}, *_with_counts(records)]
    chain = blake3(f"{FORMAT}\n{note}".encode()).digest()
    for number, row in enumerate([*rows, {"record": "end", "seq": seen.last_seq}], 1):
        record = {"number": number} | {name: value for name, value in row.items() if value != ""}
        if record["record"] == "end":
            record["note"] = json.dumps(facts | {"records": number, "before": chain.hex()}, sort_keys=True)
        chain = blake3(chain + _json(record, is_canonical=True)).digest()
        yield record | {"chain": chain.hex()}


def _with_counts(records: list[Record]) -> Iterator[Record]:
    """A count behind the last record of each day in Hong Kong, and behind each 1,000 of a day."""
    since: list[Record] = []
    for place, record in enumerate(records):
        since.append(record)
        yield record
        day = civil_date(record["time_ns"])
        is_last = place + 1 == len(records) or civil_date(records[place + 1]["time_ns"]) != day
        if is_last or len(since) == 1000:
            kinds, accounts = _counts(since)
            facts = {"counted": len(since), "kinds": kinds, "accounts": accounts, "day": str(day)}
            note = json.dumps(facts, sort_keys=True)
            yield {"record": "count", "time_ns": record["time_ns"], "count": len(since), "note": note}
            since = []


def _counts(records: list[Record]) -> tuple[dict[str, int], dict[str, int]]:
    kinds = Counter(f"{record['record']} {record.get('command', '')}".strip() for record in records)
    slots = [record.get("account_slot", -1) for record in records]
    return dict(kinds), dict(Counter(str(slot) if slot >= 0 else "none" for slot in slots))
