"""The report of a day on affiliated market makers: obligations, share of volume, trades with clients, mark-outs.

The day is a civil day in Hong Kong. A mark-out is the gain of a fill for the maker at the mark some seconds later;
the other side of the trade loses as much.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.code_values import EXEC_AFFILIATE
from engine.codes import AccountAttribute, CommandKind, EventKind, ExecInst, Side
from engine.schema import DIRECTIVE, NOTICE
from gateway.affiliates.parameters import Programme
from gateway.affiliates.quotes import HOUR_NS, Obligations
from gateway.wire.event_rows import EVENT_STRUCT, Event

MARK_OUT_SECONDS = (1, 10, 60)
NS_PER_S = 1_000_000_000
DAY_NS = 24 * HOUR_NS
PPB = 1_000_000_000
SUBTICKS = 1000
_ORDER_KINDS = (
    EventKind.ACCEPTED, EventKind.RESTED, EventKind.AMENDED, EventKind.CANCELLED, EventKind.FILL, EventKind.REDUCED,
)  # fmt: skip
_NOTICES = (
    EventKind.AFFILIATE_APPROVED, EventKind.CONTRACT_LISTED, EventKind.CONTRACT_STATE_CHANGED, EventKind.MARK_CHANGED,
    EventKind.ACCOUNT_CHANGED,
)  # fmt: skip


@dataclass
class HourReport:
    """One hour of a maker in a contract, against the programme."""

    hour: int
    open_seconds: int
    presence_percent: float
    two_sided_percent: float
    spread_ppb: int
    size_micros: int
    is_met: bool


@dataclass
class MarkOut:
    """Fills whose mark after so many seconds is known, and their gain to the maker."""

    seconds: int
    fills: int = 0
    gain_micros: int = 0
    gain_ppb: int = 0


@dataclass
class MakerReport:
    """One affiliated account in one contract; the fills of its resting orders are those that public trades mark."""

    account_slot: int
    contract_slot: int
    fills: int = 0
    volume_micros: int = 0
    volume_percent: float = 0.0
    client_fills: int = 0
    client_volume_micros: int = 0
    maker_fills: int = 0
    maker_volume_micros: int = 0
    mark_outs: list[MarkOut] = field(default_factory=list)
    hours: list[HourReport] = field(default_factory=list)


@dataclass
class DayReport:
    """The report on a day's affiliated makers; volumes count each trade once."""

    from_ns: int
    to_ns: int
    known_until_ns: int
    programme: dict[str, int]
    volume_micros: dict[int, int]
    makers: list[MakerReport]


@dataclass(frozen=True)
class _Fill:
    time_ns: int
    account_slot: int
    contract_slot: int
    sign: int
    price_ticks: int
    lots: int
    with_client: bool
    is_maker: bool

    def micros(self, unit: int) -> int:
        """Its value, where a tick of a lot is so many micros."""
        return self.price_ticks * self.lots * unit


def day_report(
    journal: Path, from_ns: int, programme: Programme, progress: Callable[[int, int], None] = lambda done, total: None
) -> DayReport:
    """The report of the day that begins at an instant."""
    reader = host.JournalReader(journal)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    day = _Day(engine.root[0], from_ns, programme)
    for commands in reader.batches():
        engine.feed(commands, day.take)
        progress(reader.bytes_read, reader.bytes_total)
        if int(engine.root["now_ns"][0]) >= day.to_ns + MARK_OUT_SECONDS[-1] * NS_PER_S:
            break
    return day.report(int(engine.root["now_ns"][0]))


class _Day:
    """Follows the event stream; events before the day only build the quotes with which it begins."""

    def __init__(self, state: Any, from_ns: int, programme: Programme) -> None:
        self._state = state
        self._programme = programme
        self.from_ns, self.to_ns = from_ns, from_ns + DAY_NS
        self._obligations = Obligations(programme, self.from_ns, self.to_ns)
        self._marks: dict[int, tuple[list[int], list[int]]] = {}
        self._volume: dict[int, int] = {}
        self._fills: list[_Fill] = []

    def take(self, commands: Any, events: Any) -> None:
        """Take the events of a batch, a ring at a time."""
        notices, kinds = events.view(NOTICE), events["kind"]
        changes = np.isin(kinds, _NOTICES)
        self._trades(events[(kinds == EventKind.FILL) & (events["time_ns"] < self.to_ns)])
        mine = np.isin(kinds, _ORDER_KINDS) & (events["flags"] & EXEC_AFFILIATE != 0)
        for place in np.flatnonzero(changes | mine).tolist():
            if mine[place]:
                self._obligations.order(events[place], self._display_lots(commands, events[place]))
            elif kinds[place] == EventKind.AFFILIATE_APPROVED:
                self._approved(commands.view(DIRECTIVE), notices[place])
            else:
                self._notice(notices[place])

    def _display_lots(self, commands: Any, row: Any) -> int:
        """A new iceberg's visible quantity, which only its command has; 0 for any other order."""
        if not int(row["flags"]) & ExecInst.ICEBERG:
            return 0
        command = commands[int(row["seq"]) - int(commands["seq"][0])]
        return int(command["display_lots"]) if int(command["kind"]) == CommandKind.NEW else 0

    def _approved(self, commands: Any, row: Any) -> None:
        """An affiliate may trade a contract and must quote there; only the command has the first instant."""
        command = commands[int(row["seq"]) - int(commands["seq"][0])]
        account, contract = int(row["account_slot"]), int(row["contract_slot"])
        span_ns = int(command["source_time_ns"]), int(row["new_value"])
        self._obligations.owe((account, contract), self._unit(contract), int(row["time_ns"]), span_ns)

    def _unit(self, contract: int) -> int:
        return int(self._state["contracts"][contract]["micros_per_tick_lot"])

    def _notice(self, row: Any) -> None:
        kind, contract, now_ns = int(row["kind"]), int(row["contract_slot"]), int(row["time_ns"])
        if kind == EventKind.MARK_CHANGED:
            times, marks = self._marks.setdefault(contract, ([], []))
            if times and now_ns < self.from_ns:
                times.clear()
                marks.clear()
            times.append(now_ns)
            marks.append(int(row["new_value"]))
        elif kind == EventKind.CONTRACT_LISTED:
            self._obligations.opened(contract, now_ns)
        elif kind == EventKind.CONTRACT_STATE_CHANGED:
            self._obligations.state(contract, int(row["new_value"]), now_ns)
        elif int(row["code"]) == AccountAttribute.AFFILIATION:
            self._obligations.end(int(row["account_slot"]), now_ns)

    def _trades(self, fills: Any) -> None:
        """Add the day's trades: total volume, and each affiliated side. A trade's maker comes first, then its taker."""
        fills = fills[fills["time_ns"] >= self.from_ns]
        sides = list(map(Event._make, EVENT_STRUCT.iter_unpack(fills.tobytes())))
        for first, second in zip(sides[::2], sides[1::2], strict=True):
            unit = self._unit(first.contract_slot)
            value = first.price_ticks * first.last_lots * unit
            self._volume[first.contract_slot] = self._volume.get(first.contract_slot, 0) + value
            for own, other in ((first, second), (second, first)):
                if own.flags & EXEC_AFFILIATE:
                    sign = 1 if own.side == Side.BUY else -1
                    with_client = not other.flags & EXEC_AFFILIATE
                    self._fills.append(
                        _Fill(
                            own.time_ns, own.account_slot, own.contract_slot, sign, own.price_ticks, own.last_lots,
                            with_client, own is first,
                        )
                    )  # fmt: skip

    # --- the report -----------------------------------------------------------------------------------------------

    def report(self, now_ns: int) -> DayReport:
        """The report as of an instant. ValueError when the day had not begun then."""
        if now_ns < self.from_ns:
            raise ValueError("--day: the journal ends before it; name an earlier day, or wait")
        self._obligations.close(now_ns)
        keys = {(fill.account_slot, fill.contract_slot) for fill in self._fills}
        keys |= {(account, contract) for account, contract, _ in self._obligations.hours}
        makers = [self._maker(account, contract, now_ns) for account, contract in sorted(keys)]
        known_ns = min(now_ns, self.to_ns)
        return DayReport(self.from_ns, self.to_ns, known_ns, asdict(self._programme), self._volume, makers)

    def _maker(self, account: int, contract: int, now_ns: int) -> MakerReport:
        unit = self._unit(contract)
        fills = [fill for fill in self._fills if (fill.account_slot, fill.contract_slot) == (account, contract)]
        clients = [fill for fill in fills if fill.with_client]
        made = [fill for fill in fills if fill.is_maker]
        volume = sum(fill.micros(unit) for fill in fills)
        total = self._volume.get(contract, 0)
        return MakerReport(
            account,
            contract,
            len(fills),
            volume,
            100 * volume / total if total else 0.0,
            len(clients),
            sum(fill.micros(unit) for fill in clients),
            len(made),
            sum(fill.micros(unit) for fill in made),
            [self._mark_out(fills, contract, seconds, now_ns) for seconds in MARK_OUT_SECONDS],
            self._hours(account, contract),
        )

    def _mark_out(self, fills: list[_Fill], contract: int, seconds: int, now_ns: int) -> MarkOut:
        """The gain of fills for the maker at the mark so many seconds later, of those whose mark is known."""
        times, marks = self._marks.get(contract, ([], []))
        unit = self._unit(contract)
        found, volume = MarkOut(seconds), 0
        for fill in fills:
            at_ns = fill.time_ns + seconds * NS_PER_S
            place = bisect_right(times, at_ns) - 1
            if place < 0 or at_ns > now_ns:
                continue
            gain = fill.sign * (marks[place] - fill.price_ticks * SUBTICKS) * fill.lots * unit // SUBTICKS
            found.fills += 1
            found.gain_micros += gain
            volume += fill.micros(unit)
        found.gain_ppb = found.gain_micros * PPB // volume if volume else 0
        return found

    def _hours(self, account: int, contract: int) -> list[HourReport]:
        rows = []
        for (its_account, its_contract, place), hour in sorted(self._obligations.hours.items()):
            if (its_account, its_contract) != (account, contract) or not hour.open_ns:
                continue
            presence = 100 * hour.kept_ns / hour.open_ns
            both = hour.two_sided_ns or 1
            rows.append(
                HourReport(
                    place, hour.open_ns // NS_PER_S, presence, 100 * hour.two_sided_ns / hour.open_ns,
                    hour.spread_ppb_ns // both, hour.size_micros_ns // both,
                    100 * hour.kept_ns >= self._programme.presence_percent * hour.open_ns,
                )
            )  # fmt: skip
        return rows
