"""`lionrock funding`: recompute the funding of a journal, or the recorded rates of a venue."""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from engine import host
from engine.codes import ContractParameter as P
from engine.codes import EventKind
from engine.recordings.drawing import check_drawable, draw
from engine.schema import NOTICE
from engine.units import PPB
from gateway.commands import funding_recorded
from gateway.commands.common import FAILED, reason_of
from gateway.commands.funding_chart import MOST_CONTRACTS, Settlement, Settlements, chart_of, chosen
from gateway.commands.funding_formula import average_ppb, premium_ppb, rate_ppb
from gateway.commands.replay import data_folder, named_contracts
from gateway.config import Config

DIFFERENT = 1
"""Exit code when a rate or a payment differs from what follows from its inputs."""
SHOWN = 20

_EXAMPLES = """examples:
  lionrock funding audit data
  lionrock funding audit data/journal --json
  lionrock funding audit data --plot funding.html
  lionrock funding recorded --venue binance --candles premium_1h.csv --rates funding.csv

audit recomputes every rate and payment of a journal in plain integers from the samples on the event stream, not by the
engine's own functions. recorded does the same with another venue's published premiums and rates.
exit codes: 0 every rate and payment follows from its inputs, 1 a difference, 2 nothing to read, or a wrong argument
"""
_AUDIT_EXAMPLES = """examples:
  lionrock funding audit data
  lionrock funding audit data --json
  lionrock funding audit data --plot funding.html
  lionrock funding audit data --plot btc.png --instrument BTC_USDC-PERPETUAL

Prices are in the contract's own unit as the registry beside the journal names it; without one they are ticks.
A .png needs matplotlib: pip install "lionrock[plots]"; an .html needs nothing.
exit codes: 0 every rate and payment follows from its inputs, 1 a difference, 2 nothing to read, or a wrong argument
"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "funding",
        help="recompute every funding rate of a journal, or of another venue's records",
        description="Recompute funding rates from their inputs and print any difference.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    journal = actions.add_parser(
        "audit",
        help="every premium, rate and payment of a journal",
        description="Recompute each premium, rate and payment from the event stream and print any difference.",
        epilog=_AUDIT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    journal.add_argument("journal", type=Path, metavar="JOURNAL", help="its folder, or the data folder above it")
    journal.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw mark, rate and payments of each contract: a .png or an .html"
    )
    journal.add_argument(
        "--instrument", default="", metavar="NAME",
        help=f"with --plot: the contract (default: the first {MOST_CONTRACTS} with a settlement)",
    )  # fmt: skip
    journal.add_argument("--json", action="store_true", help="print one JSON object")
    journal.set_defaults(action=_audit)
    funding_recorded.add_parser(actions)


_TERMS = {
    P.FUNDING_INTERVAL_S: "funding_interval_s",
    P.SAMPLE_INTERVAL_S: "sample_interval_s",
    P.FUNDING_INTEREST_PPB: "funding_interest_ppb",
    P.FUNDING_CLAMP_PPB: "funding_clamp_ppb",
    P.FUNDING_CAP_PPB: "funding_cap_ppb",
    P.FUNDING_EQUAL_WEIGHTS: "funding_equal_weights",
    P.MICROS_PER_TICK_LOT: "micros_per_tick_lot",
}
_LENGTHS = frozenset({"funding_interval_s", "sample_interval_s"})


class _Terms:
    """A contract's terms of funding as they were at each instant, followed on the event stream.

    An interval keeps the length and the samples that it began with; every other term counts at once.
    """

    def __init__(self) -> None:
        self.in_force = dict.fromkeys(_TERMS.values(), 0)
        self._next: dict[str, int] = {}
        self.has_begun = False
        """Intervals run from the first index on."""

    def change(self, row: Any) -> None:
        """A parameter of the contract was set."""
        name = _TERMS.get(P(int(row["code"])))
        if name is None:
            return
        waits = name in _LENGTHS and self.has_begun
        (self._next if waits else self.in_force)[name] = int(row["new_value"])

    def begin_next(self) -> None:
        """An interval is settled, and the next one begins."""
        self.in_force.update(self._next)
        self._next.clear()


@dataclass
class _Interval:
    """The samples of a contract's running interval, from the event stream."""

    weighted: int = 0
    weights: int = 0
    samples: int = 0


@dataclass
class FundingAudit:
    """What an audit found."""

    journal: str
    samples: int = 0
    rates: int = 0
    payments: int = 0
    paid_micros: int = 0
    received_micros: int = 0
    differences: list[str] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say: 0, DIFFERENT or FAILED."""
    return int(args.action(args))


def _audit(args: argparse.Namespace) -> int:
    folder = args.journal if host.holds_journal(args.journal) else Config(data=str(args.journal)).journal
    try:
        if args.instrument and not args.plot:
            raise ValueError("--instrument: it says what --plot draws; give --plot")
        if args.plot:
            check_drawable(args.plot)
        if not host.holds_journal(folder):
            raise ValueError(f"{args.journal}: no journal there; name its folder or the data folder above it")
        found, settled = audit(folder)
        if args.plot:
            _plot(settled, args)
    except (host.JournalError, OSError, ValueError) as error:
        print(f"lionrock funding: {reason_of(error, args)}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(asdict(found)))
    else:
        _show(found)
    return DIFFERENT if found.differences else 0


def _plot(settled: Settlements, args: argparse.Namespace) -> None:
    specs = named_contracts(data_folder(args.journal))
    slots = chosen(settled, specs, args.instrument)
    if not slots:
        print(f"lionrock funding: {args.plot}: not drawn, as nothing was settled in this journal", file=sys.stderr)
        return
    draw(chart_of(settled, specs, slots, f"Funding of {args.journal}"), args.plot)
    if not args.instrument and len(slots) < len(settled):
        print(f"lionrock funding: {args.plot} shows the first {len(slots)} of {len(settled)} contracts; "
              "--instrument NAME draws another", file=sys.stderr)  # fmt: skip


def audit(folder: Path) -> tuple[FundingAudit, Settlements]:
    """Replay a journal and check every sample, rate and payment on its stream against its inputs."""
    reader = host.JournalReader(folder)
    engine = host.Engine(host.create(reader.capacities, reader.mode))
    auditor = _Auditor(FundingAudit(str(folder)))
    host.replay(reader, engine, sink=auditor.take)
    return auditor.found, auditor.settled


class _Auditor:
    """Follows the event stream."""

    def __init__(self, found: FundingAudit) -> None:
        self.found = found
        self.settled: defaultdict[int, list[Settlement]] = defaultdict(list)
        self._terms: defaultdict[int, _Terms] = defaultdict(_Terms)
        self._running: dict[int, _Interval] = {}
        self._rate: dict[int, tuple[int, int]] = {}
        self._takes = {
            EventKind.CONTRACT_CHANGED: lambda row: self._terms[int(row["contract_slot"])].change(row),
            EventKind.INDEX_CHANGED: self._index,
            EventKind.PREMIUM_SAMPLED: self._sample,
            EventKind.FUNDING_RATE: self._settle,
            EventKind.FUNDING_PAID: self._payment,
        }

    def take(self, commands: Any, events: Any) -> None:
        """The events of one batch, a ring at a time."""
        notices = events.view(NOTICE)
        for row in notices[np.isin(notices["kind"], list(self._takes))]:
            self._takes[EventKind(int(row["kind"]))](row)

    def _index(self, row: Any) -> None:
        self._terms[int(row["contract_slot"])].has_begun = True

    def _differs(self, row: Any, what: str, given: int, computed: int) -> None:
        place = f"sequence {int(row['seq'])}, contract {int(row['contract_slot'])}"
        self.found.differences.append(f"{place}: {what} is {given} on the stream and {computed} from its inputs")

    def _sample(self, row: Any) -> None:
        slot = int(row["contract_slot"])
        interval = self._running.setdefault(slot, _Interval())
        premium = premium_ppb(int(row["old_value"]), int(row["price_subticks"]), int(row["other_price_subticks"]))
        if premium != int(row["rate_ppb"]):
            self._differs(row, "premium_ppb", int(row["rate_ppb"]), premium)
        interval.samples += 1
        weight = 1 if self._terms[slot].in_force["funding_equal_weights"] else interval.samples
        interval.weighted += weight * premium
        interval.weights += weight
        self.found.samples += 1

    def _settle(self, row: Any) -> None:
        slot = int(row["contract_slot"])
        terms, interval = self._terms[slot], self._running.pop(slot, _Interval())
        average = average_ppb(interval.weighted, interval.weights)
        wanted = terms.in_force["funding_interval_s"] // terms.in_force["sample_interval_s"]
        payable = 2 * interval.samples >= wanted and int(row["price_subticks"]) != 0
        rate = rate_ppb(terms.in_force, average) if payable else 0
        terms.begin_next()
        for what, given, computed in (
            ("samples", int(row["new_value"]), interval.samples),
            ("average_ppb", int(row["old_value"]), average),
            ("rate_ppb", int(row["rate_ppb"]), rate),
        ):
            if given != computed:
                self._differs(row, what, given, computed)
        self._rate[slot] = rate, int(row["price_subticks"])
        time_ns, mark, given = (int(row[name]) for name in ("time_ns", "price_subticks", "rate_ppb"))
        self.settled[slot].append(Settlement(time_ns, mark, average, given, rate))
        self.found.rates += 1

    def _payment(self, row: Any) -> None:
        slot = int(row["contract_slot"])
        rate, mark = self._rate[slot]
        value = mark * int(row["position_lots"]) * self._terms[slot].in_force["micros_per_tick_lot"]
        owed = -(-value * rate // (1000 * PPB))
        if owed != -int(row["amount_micros"]):
            self._differs(row, "payment_micros", -int(row["amount_micros"]), owed)
        self.found.payments += 1
        self.found.paid_micros += max(owed, 0)
        self.settled[slot][-1].paid_micros += max(owed, 0)
        self.found.received_micros += max(-owed, 0)


def _show(found: FundingAudit) -> None:
    console = Console(highlight=False)
    console.print(f"{found.journal}: {found.samples:,} samples, {found.rates:,} rates, {found.payments:,} payments")
    dust = found.paid_micros - found.received_micros
    console.print(f"paid {found.paid_micros:,} micros, received {found.received_micros:,}, dust to the fund {dust:,}")
    for line in found.differences[:SHOWN]:
        console.print(line, soft_wrap=True)
    if len(found.differences) > SHOWN:
        console.print(f"and {len(found.differences) - SHOWN:,} more")
    if not found.differences:
        console.print("every rate and payment follows from its inputs")
