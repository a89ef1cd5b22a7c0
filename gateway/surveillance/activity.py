"""The rows that the rules see: what an order did, when, and whose it was."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from engine.codes import AccountAttribute, EventKind
from engine.schema import NOTICE, record

ACTIVITY = record(
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("order_id", "i8"),
        ("trade_id", "i8"),
        ("price_ticks", "i8"),
        ("lots", "i8"),  # traded or taken away
        ("leaves_lots", "i8"),
        ("position_lots", "i8"),  # FILL: the account's, after
        ("owner", "i8"),  # the beneficial owner's number
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("flags", "i4"),
        ("reason", "i2"),
        ("kind", "i1"),  # EventKind
        ("side", "i1"),
    ]
)
"""Order events, and the notices of a funding rate."""
Rows = np.ndarray[Any, Any]
_KEPT = (
    EventKind.ACCEPTED, EventKind.FILL, EventKind.RESTED, EventKind.CANCELLED, EventKind.AMENDED,
    EventKind.FUNDING_RATE, EventKind.POSITION_SETTLED,
)  # fmt: skip
_OWN_BASE = 1 << 40
"""An account that nobody's name is known for is its own owner, numbered from here."""


class Owners:
    """Who stands behind each account: the registry's client where there is one, else the account itself.

    Accounts in one self-trade group, as the stream tells it, count as one owner too.
    """

    def __init__(self) -> None:
        self._clients: dict[int, int] = {}
        self._groups: dict[int, int] = {}
        self._table = np.zeros(0, np.int64)

    def add_clients(self, clients: Mapping[int, int]) -> None:
        """Account -> client number, of more accounts."""
        self._clients.update(clients)
        self._table = np.zeros(0, np.int64)

    def begin(self, groups: Mapping[int, int]) -> None:
        """Account -> self-trade group, as they are now."""
        self._groups = dict(groups)
        self._table = np.zeros(0, np.int64)

    def follow(self, notices: Rows) -> None:
        """Take over changes of groups."""
        changes = notices[notices["kind"] == EventKind.ACCOUNT_CHANGED]
        for row in changes[changes["code"] == AccountAttribute.GROUP]:
            self._groups[int(row["account_slot"])] = int(row["new_value"])
            self._table = np.zeros(0, np.int64)

    def of(self, accounts: Rows) -> Rows:
        """The owner of each account."""
        most = int(accounts.max(initial=0)) + 1
        if most > len(self._table):
            self._table = self._numbered(most)
        return self._table[np.maximum(accounts, 0)]

    def _numbered(self, count: int) -> Rows:
        table = np.arange(_OWN_BASE, _OWN_BASE + count)
        for slot, client in self._clients.items():
            if slot < count:
                table[slot] = client
        first: dict[int, int] = {}
        for slot, group in sorted(self._groups.items()):
            if group and slot < count:
                table[slot] = first.setdefault(group, int(table[slot]))
        return table


def activity_of(events: Rows, owners: Owners) -> Rows:
    """The rows of a batch that rules look at."""
    notices = events.view(NOTICE)
    owners.follow(notices)
    kept = events[np.isin(events["kind"], _KEPT)]
    rows = np.zeros(len(kept), ACTIVITY)
    given = kept.view(NOTICE)
    orders = kept["kind"] < EventKind.NOTICE_FIRST
    for name in ("seq", "time_ns", "kind"):
        rows[name] = kept[name]
    for name in ("order_id", "trade_id", "price_ticks", "leaves_lots", "flags", "side"):
        rows[name] = np.where(orders, kept[name], 0)
    for name in ("account_slot", "contract_slot", "reason", "position_lots"):
        rows[name] = np.where(orders, kept[name], given[name])
    rows["lots"] = np.where(orders, kept["last_lots"], 0)
    rows["owner"] = owners.of(rows["account_slot"])
    return rows


class Evidence(NamedTuple):
    """What an alert rests on."""

    seqs: list[int]
    order_ids: list[int]
    figures: dict[str, int]


@dataclass(frozen=True)
class Alert:
    """Something for a person to look at: which rule, who, where, when, on what evidence."""

    rule: str
    text: str
    time_ns: int
    contract_slot: int
    accounts: tuple[int, ...]
    evidence: Evidence
    lasts: bool = False
    """A state of things rather than something done: it is said once while it lasts."""

    @property
    def first_seq(self) -> int:
        """Where its evidence begins."""
        return min(self.evidence.seqs, default=0)

    @property
    def last_seq(self) -> int:
        """Where its evidence ends."""
        return max(self.evidence.seqs, default=0)


@dataclass(frozen=True)
class Window:
    """What a rule looks at: rows of the last seconds in order, the last `step_s` of them new; positions at the end."""

    rows: Rows
    end_ns: int
    step_ns: int
    positions: Mapping[tuple[int, int], int] = field(default_factory=dict)
    owners: Mapping[int, int] = field(default_factory=dict)

    def last(self, seconds: int) -> Rows:
        """The rows of the last seconds."""
        return self.rows[bisect_right(self.rows["time_ns"], self.end_ns - seconds * 1_000_000_000) :]


MOST_EVIDENCE = 200


def evidence(rows: Rows, **figures: int) -> Evidence:
    """Evidence from the rows that it rests on, the first of them when there are very many."""
    seqs = np.unique(rows["seq"])[:MOST_EVIDENCE].tolist()
    order_ids = [order for order in np.unique(rows["order_id"])[:MOST_EVIDENCE].tolist() if order]
    return Evidence(seqs, order_ids, figures | {"rows": len(rows)})
