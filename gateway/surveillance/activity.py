"""The rows on which the rules work: what happened to an order, when, and who owns it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
        ("lots", "i8"),  # traded or cancelled
        ("leaves_lots", "i8"),
        ("filled_lots", "i8"),  # of the order, in all
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
"""Order events, and notices of funding rates and settlements."""
PRICE = record(
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("price_subticks", "i8"),  # of the source; the new index; the impact bid of a sample
        ("index_subticks", "i8"),  # PREMIUM_SAMPLED, INDEX_CHANGED: the index before
        ("rate_ppb", "i8"),  # PREMIUM_SAMPLED: the premium
        ("contract_slot", "i4"),
        ("source", "i4"),  # INDEX_RECORDED
        ("kind", "i1"),
        ("pad", "i1", (7,)),
    ]
)
"""Prices of index sources, the index, and premium samples."""
NS_PER_S = 1_000_000_000
PPB = 1_000_000_000
Rows = np.ndarray[Any, Any]
_PRICES = (EventKind.INDEX_RECORDED, EventKind.INDEX_CHANGED, EventKind.PREMIUM_SAMPLED)
_KEPT = (
    EventKind.ACCEPTED, EventKind.FILL, EventKind.RESTED, EventKind.CANCELLED, EventKind.AMENDED,
    EventKind.REDUCED, EventKind.FUNDING_RATE, EventKind.POSITION_SETTLED,
)  # fmt: skip
_OWN_BASE = 1 << 40
"""An account whose client is not known counts as its own owner; such owners are numbered from here."""


class Owners:
    """The beneficial owner of each account: the registry's client where there is one, else the account itself.

    Accounts in one self-trade group, as the event stream has it, count as one owner too.
    """

    def __init__(self) -> None:
        self._clients: dict[int, int] = {}
        self._groups: dict[int, int] = {}
        self._table = np.zeros(0, np.int64)

    def add_clients(self, clients: Mapping[int, int]) -> None:
        """Add more accounts: account -> client number."""
        self._clients.update(clients)
        self._table = np.zeros(0, np.int64)

    def begin(self, groups: Mapping[int, int]) -> None:
        """Set the present self-trade groups: account -> group."""
        self._groups = dict(groups)
        self._table = np.zeros(0, np.int64)

    def follow(self, notices: Rows) -> None:
        """Apply changes of groups."""
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
    """The rows of a batch that the rules use."""
    notices = events.view(NOTICE)
    owners.follow(notices)
    kept = events[np.isin(events["kind"], _KEPT)]
    rows = np.zeros(len(kept), ACTIVITY)
    given = kept.view(NOTICE)
    orders = kept["kind"] < EventKind.NOTICE_FIRST
    for name in ("seq", "time_ns", "kind"):
        rows[name] = kept[name]
    for name in ("order_id", "trade_id", "price_ticks", "leaves_lots", "filled_lots", "flags", "side"):
        rows[name] = np.where(orders, kept[name], 0)
    for name in ("account_slot", "contract_slot", "reason", "position_lots"):
        rows[name] = np.where(orders, kept[name], given[name])
    rows["lots"] = np.where(orders, kept["last_lots"], 0)
    rows["owner"] = owners.of(rows["account_slot"])
    return rows


def prices_of(events: Rows) -> Rows:
    """The prices of a batch that the rules use."""
    kept = events[np.isin(events["kind"], _PRICES)]
    rows, given = np.zeros(len(kept), PRICE), kept.view(NOTICE)
    for name in ("seq", "time_ns", "kind", "contract_slot", "price_subticks", "rate_ppb"):
        rows[name] = given[name]
    rows["index_subticks"], rows["source"] = given["old_value"], given["code"]
    return rows


def grouped(rows: Rows, *names: str) -> Iterator[tuple[tuple[int, ...], Rows]]:
    """Rows grouped by some columns; each group keeps the order of its rows."""
    if not len(rows):
        return
    order = np.lexsort([rows[name] for name in reversed(names)])
    ordered = rows[order]
    changes = np.zeros(len(ordered), bool)
    for name in names:
        changes[1:] |= ordered[name][1:] != ordered[name][:-1]
    for part in np.split(ordered, np.flatnonzero(changes)):
        yield tuple(int(part[name][0]) for name in names), part


class Evidence(NamedTuple):
    """The evidence of an alert."""

    seqs: list[int]
    order_ids: list[int]
    figures: dict[str, int]


@dataclass(frozen=True)
class Alert:
    """Something for a person to review: rule, accounts, contract, time, evidence."""

    rule: str
    text: str
    time_ns: int
    contract_slot: int
    accounts: tuple[int, ...]
    evidence: Evidence
    origin: tuple[int, ...] = ()
    """What stays while an alert grows: its first sequence, and the accounts that it named first."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What is the same in all states of one alert, and in no other alert."""
        origin = self.origin or (self.time_ns, *self.accounts, *self.evidence.seqs)
        return self.rule, self.contract_slot, *origin

    @property
    def first_seq(self) -> int:
        """The first sequence of its evidence."""
        return min(self.evidence.seqs, default=0)

    @property
    def last_seq(self) -> int:
        """The last sequence of its evidence."""
        return max(self.evidence.seqs, default=0)


MOST_EVIDENCE = 200


def evidence(rows: Rows, **figures: int) -> Evidence:
    """Evidence from rows; when there are very many, from the first ones and the last one."""
    seqs = np.unique(rows["seq"]).tolist()
    seqs = [*seqs[: MOST_EVIDENCE - 1], *seqs[MOST_EVIDENCE - 1 :][-1:]]
    order_ids = [order for order in np.unique(rows["order_id"])[:MOST_EVIDENCE].tolist() if order]
    return Evidence(seqs, order_ids, figures)
