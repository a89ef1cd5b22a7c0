"""A generator of command flow: a seed and a mix give a script that goes through every kind of command and bad input.

Prices are drawn close around a centre that wanders, so that orders meet; client ids come from a small range, so that
they repeat. An order id of -n stands for a recent order of the account (`pair.Pair` resolves it).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import (
    Affiliation,
    CommandKind,
    ExecInst,
    MarketState,
    OrdType,
    Restriction,
    SelfTrade,
    Side,
    TimeInForce,
    VenueState,
)
from engine.codes import ClientAttribute as C
from engine.codes import ContractParameter as P
from engine.idmap import _K1, _K2, _K3
from engine.schema import COMMAND
from tests import build
from tests.build import CENTRE_TICKS, NIL, SECOND, START_NS
from tests.pair import Reference, Script

ACCOUNTS = 6
GROUPS = (0, 1, 1, 2, 0, 2)
CLIENTS = (1, 1, 2, 2, 2, 0)
"""Whose accounts they are; the last one is bound when the flow happens to do it."""
CONTRACTS = 2
DIRECTIVE, REFERENCE = -1, -2
"""Kinds of rows that `flow` replaces by a directive or by new reference prices."""
EDGES = (-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 7, 63, 127, 1 << 15, (1 << 30) - 1, 1 << 30, 1 << 52)
EDGE_FIELDS = [name for name in COMMAND.names if name not in ("seq", "kind", "person", "key", "connection", "spare")]
HARMLESS = [code for code in range(-1, 36) if not P.DISCLOSURE_PRODUCT <= code <= P.AFFILIATE_PRESENT]
"""Parameters whose edges do not close a contract to everybody for good."""
LABELS = ("alpha", "beta", "gamma" * 12)


@dataclass(frozen=True)
class Mix:
    """How often what happens; shares of all commands, the rest are new orders."""

    amends: float = 0.10
    cancels: float = 0.10
    mass_cancels: float = 0.006
    directives: float = 0.04
    references: float = 0.06
    times: float = 0.03
    junk: float = 0.05
    conditional: float = 0.22
    spread_ticks: int = 12
    lean_ticks: int = 7  # how far buyers stay below and sellers above the centre on average
    houses: float = 0.0  # of the directives: an account becomes an affiliate that may trade, or a client again


def stage() -> Script:
    """Accounts in groups and without, a plain contract and a perpetual with fees, band and reference prices."""
    script: Script = [build.person(1)]
    for account in range(ACCOUNTS):
        script += build.opened(account, GROUPS[account], client=CLIENTS[account])
    script += build.listed(0, build.PLAIN_CONTRACT) + build.listed(1, build.PERPETUAL)
    centre = CENTRE_TICKS * 1000
    return [*script, Reference(1, centre, centre), Reference(0, centre, centre)]


def house(account: int) -> Script:
    """A company of the operator's group, approved for both contracts."""
    approvals = [build.approval(account, contract, build.FAR_NS) for contract in range(CONTRACTS)]
    return [build.account_set(account, A.AFFILIATION, Affiliation.GROUP_COMPANY), *approvals]


def houses() -> Script:
    """Two affiliates that may trade, one of them in the group of a client."""
    return [*house(0), *house(3)]


def eligible(account: int, attribute: A) -> Any:
    """The value of an attribute with which an account may open risk."""
    usual = {A.INVESTOR_CLASS: 1, A.MAX_OPEN_ORDERS: 200} | build.ELIGIBLE
    return build.account_set(account, attribute, usual.get(attribute, 0))


class _Flow:
    """The columns of `count` drawn commands."""

    def __init__(self, seed: int, count: int, mix: Mix) -> None:
        self.rng = np.random.default_rng(seed)
        self.count = count
        self.mix = mix
        self.centre = CENTRE_TICKS + np.cumsum(self.rng.integers(-1, 2, count) * (self.rng.random(count) < 0.2))

    def some(self, share: float) -> Any:
        """True for about this share of the rows."""
        return self.rng.random(self.count) < share

    def pick(self, values: Any, weights: Any = None) -> Any:
        """One of these values for each row."""
        chances = None if weights is None else np.array(weights) / sum(weights)
        return self.rng.choice(np.array(values, np.int64), self.count, p=chances)

    def near(self, ticks: int) -> Any:
        """A price around the wandering centre."""
        return np.maximum(self.centre + self.rng.integers(-ticks, ticks + 1, self.count), 1)

    def kinds(self) -> Any:
        """What each command is."""
        mix = self.mix
        shares = [mix.amends, mix.cancels, mix.mass_cancels, mix.times, mix.directives, mix.references]
        kinds = [CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL, CommandKind.TIME, DIRECTIVE, REFERENCE]
        return self.pick([CommandKind.NEW, *kinds], [1 - sum(shares), *shares])

    def flags(self, new: Any, amend: Any) -> Any:
        """Flags as a client might set them, not always sensible ones."""
        flags = np.zeros(self.count, np.int64)
        for flag, share in (
            (ExecInst.REDUCE_ONLY, 0.2),
            (ExecInst.POST_ONLY, 0.12),
            (ExecInst.ICEBERG, 0.1),
            (ExecInst.LABELLED, 0.06),
            (ExecInst.CONFIRMED, 0.03),
        ):
            flags |= np.where(new & self.some(share), flag, 0)
        flags |= np.where(new & (flags & ExecInst.POST_ONLY > 0) & self.some(0.3), ExecInst.REJECT_POST_ONLY, 0)
        flags |= np.where(amend & self.some(0.15), ExecInst.FORFEIT_PRIORITY, 0)
        return flags | np.where(amend & self.some(0.3), ExecInst.QTY_IS_LEAVES, 0)

    def rows(self) -> Any:
        """The COMMAND rows; directives and reference prices only as marks in `kind`."""
        rows = np.zeros(self.count, COMMAND)
        kinds = self.kinds()
        new, amend = kinds == CommandKind.NEW, kinds == CommandKind.AMEND
        mass = kinds == CommandKind.MASS_CANCEL
        waits = new & self.some(self.mix.conditional)
        plain = self.pick([OrdType.LIMIT, OrdType.MARKET], [12, 1])
        rows["kind"] = kinds
        rows["account_slot"] = np.where(mass & self.some(0.5), NIL, self.rng.integers(0, ACCOUNTS, self.count))
        rows["contract_slot"] = np.where(mass & self.some(0.4), NIL, self.rng.integers(0, CONTRACTS, self.count))
        rows["group"] = np.where(mass & self.some(0.4), self.rng.integers(0, 3, self.count), NIL)
        rows["side"] = np.where(mass & self.some(0.6), 0, self.rng.integers(1, 3, self.count))
        rows["ord_type"] = np.where(waits, self.rng.integers(3, 8, self.count), plain) * new
        rows["flags"] = self.flags(new, amend)
        tifs = self.pick([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD], [12, 2, 2, 2])
        resting = rows["flags"] & (ExecInst.POST_ONLY | ExecInst.ICEBERG) > 0
        rows["tif"] = np.where(resting & self.some(0.9), TimeInForce.GTC, tifs) * new
        rows["self_trade"] = np.where(new | amend, self.rng.integers(0, 4, self.count), 0)
        rows["qty_lots"] = 2 * self.rng.integers(1, 30, self.count) + (self.rng.random(self.count) < 0.04)
        lean = np.where(rows["side"] == Side.BUY, -1, 1) * self.mix.lean_ticks
        rows["price_ticks"] = np.where(amend & self.some(0.5), 0, self.near(self.mix.spread_ticks) + lean)
        rows["trigger_source"] = self.rng.integers(0, 3, self.count)
        rows["trigger_price_ticks"] = np.where(amend & self.some(0.7), 0, self.near(3 * self.mix.spread_ticks))
        rows["offset_ticks"] = self.rng.integers(1, 20, self.count)
        rows["display_lots"] = 2 * self.rng.integers(1, 8, self.count)
        rows["cl_ord_id"] = np.where(self.some(0.7), self.rng.integers(1, 60, self.count), 0)
        rows["order_id"] = np.where((amend & self.some(0.7)) | ((kinds == 3) & self.some(0.7)), self.some_back(), 0)
        rows["person"] = 1
        self._mass_flags(rows, mass)
        self._times(rows)
        self._junk(rows)
        return rows

    def some_back(self) -> Any:
        """Recent orders, most often the most recent ones."""
        return -np.minimum(1 + self.rng.geometric(0.12, self.count), 60)

    def _mass_flags(self, rows: Any, mass: Any) -> None:
        rows["flags"] |= np.where(mass & self.some(0.3), ExecInst.KEEP_PROTECTION, 0).astype(np.int32)
        rows["flags"] |= np.where(mass & self.some(0.2), ExecInst.LABELLED, 0).astype(np.int32)
        rows["reason"] = np.where((mass | (rows["kind"] == CommandKind.CANCEL)) & self.some(0.2), 1313, 0)

    def _times(self, rows: Any) -> None:
        steps = np.where(self.some(0.15), self.rng.integers(0, 2 * SECOND, self.count), 0)
        rows["time_ns"] = START_NS + np.cumsum(steps)
        rows["expire_ns"] = (rows["time_ns"] // SECOND + self.rng.integers(1, 20, self.count)) * SECOND
        rows["time_ns"] -= np.where(self.some(0.02), 5 * SECOND, 0)

    def _junk(self, rows: Any) -> None:
        """One field of some rows takes a value from the edges of what fits it."""
        for index in np.flatnonzero(self.some(self.mix.junk)):
            name = EDGE_FIELDS[self.rng.integers(len(EDGE_FIELDS))]
            limits = np.iinfo(COMMAND[name])
            value = min(max(EDGES[self.rng.integers(len(EDGES))], limits.min), limits.max)
            if name == "time_ns":
                value = min(value, START_NS)
            rows[name][index] = value
            if self.rng.random() < 0.05:
                rows["kind"][index] = self.rng.choice([0, CommandKind.LABEL, 99, 127])

    def one_of(self, *values: int) -> int:
        """One of some values."""
        return int(self.rng.choice(values))

    def restriction(self) -> tuple[Any, Any]:
        """A command that stops or narrows trading, and the one that restores it."""
        account, contract = self.one_of(*range(ACCOUNTS)), self.one_of(*range(CONTRACTS))
        restrictions = build.account_set(account, A.RESTRICTION, self.one_of(1, 2, 3))
        investor = build.account_set(account, A.INVESTOR_CLASS, self.one_of(0, 2, 3, 4))
        affiliate = build.account_set(account, A.AFFILIATION, self.one_of(1, 1, 2))
        client, switch = self.one_of(1, 2, 2, 3), self.one_of(C.FROZEN, C.KILL_SWITCH)
        junk = A(self.one_of(*A))
        return (
            (restrictions, build.account_set(account, A.RESTRICTION, Restriction.NONE)),
            (build.account_set(account, A.KILL_SWITCH, 1), build.account_set(account, A.KILL_SWITCH, 0)),
            (build.account_set(account, A.MAX_OPEN_ORDERS, 3), build.account_set(account, A.MAX_OPEN_ORDERS, 200)),
            tuple(build.contract_state(contract, state) for state in (self.one_of(2, 3, 4, 5, 6), MarketState.OPEN)),
            (build.venue_state(VenueState.HALTED), build.venue_state(VenueState.OPEN)),
            (build.contract_set(contract, P.MAX_ORDER_LOTS, 30), build.contract_set(contract, P.MAX_ORDER_LOTS, 1000)),
            tuple(build.contract_set(contract, P.MAX_ORDER_VALUE_MICROS, value) for value in (3_000_000, 0)),
            tuple(build.contract_set(contract, P.MAX_OPEN_INTEREST_LOTS, value) for value in (300, 0)),
            self._lapse(account),
            self._lapse(account),
            tuple(build.group_set(self.one_of(1, 2), contract, lots) for lots in (120, 0)),
            tuple(build.account_set(account, A.MAX_EXPOSURE_MICROS, value) for value in (20_000_000, 0)),
            (investor, eligible(account, A.INVESTOR_CLASS)),
            (build.person(1, START_NS), build.person(1)),
            (build.contract_set(1, P.DISCLOSURE_LOSS, 2), build.contract_set(1, P.DISCLOSURE_LOSS, 1)),
            (affiliate, eligible(account, A.AFFILIATION)),
            tuple(build.client_set(client, switch, value) for value in (1, 0)),
            tuple(build.client_set(client, switch, value) for value in (1, 0)),
            tuple(build.client_set(client, C.MAX_EXPOSURE_MICROS, value) for value in (30_000_000, 0)),
            (build.account_set(account, junk, self.one_of(*EDGES)), eligible(account, junk)),
        )[self.rng.integers(20)]

    def _lapse(self, account: int) -> tuple[Any, Any]:
        """Something that lets an account open is lost, or ends a little later; then it is given again."""
        attribute = A(self.one_of(*build.ELIGIBLE, A.PI_WITHDRAWN))
        if attribute.name.endswith("_NS"):
            value = int(self.rng.integers(0, 60)) * SECOND // 2 + START_NS * self.one_of(0, 1, 1, 1)
        else:
            value = 1 if attribute == A.PI_WITHDRAWN else 0
        return build.account_set(account, attribute, value), eligible(account, attribute)

    def setting(self) -> Any:
        """A command of accounts, contracts or money, often a wrong one."""
        account, contract = self.one_of(*range(ACCOUNTS)), self.one_of(*range(CONTRACTS))
        junk = self.one_of(*EDGES)
        return (
            lambda: build.account_set(account, A.GROUP, self.one_of(0, 1, 2)),
            lambda: build.contract_set(1, P.BAND_PPB, self.one_of(3_000_000, 30_000_000, 49_000_000)),
            lambda: build.contract_set(contract, self.one_of(*HARMLESS), junk, self.one_of(*range(-1, 11))),
            lambda: build.contract_set(contract, self.one_of(P.TAKER_FEE_PPB, P.LOT_STEP), junk),
            lambda: build.deposit(account + self.one_of(-1, 0, 1), junk),
            lambda: build.account_set(account, self.one_of(17, 99, -1, 16), junk),
            lambda: build.directive(CommandKind.CONTRACT_LIST, contract_slot=contract),
            lambda: build.directive(CommandKind.ACCOUNT_OPEN, account_slot=junk % 20 - 2),
            lambda: build.directive(CommandKind.FUND_DEPOSIT, amount_micros=junk),
            lambda: build.directive(CommandKind.PERSON_SET, person=self.one_of(-1, 0, 2, 9), value=junk),
            lambda: build.group_set(self.one_of(-1, 0, 1, 2, 99), contract, junk),
            lambda: build.approval(account, contract, START_NS + self.one_of(*range(40)) * SECOND),
            lambda: build.approval(account, contract + self.one_of(0, 0, 9), junk, self.one_of(-1, 0, junk)),
            lambda: build.account_set(account + self.one_of(0, 0, 1), A.CLIENT, self.one_of(0, 1, 2, 3, 7, 8)),
            lambda: build.client_set(
                self.one_of(-1, 0, 1, 2, 3, 8), self.one_of(0, 1, 2, 3, 4), self.one_of(0, 1, junk)
            ),
        )[self.rng.integers(15)]()

    def change_of_house(self) -> Script:
        """An account becomes an affiliate, whatever it has open, and mostly one that may trade; or a client again."""
        account = self.one_of(*range(ACCOUNTS))
        client = build.account_set(account, A.AFFILIATION, Affiliation.CLIENT)
        return house(account)[: self.one_of(1, 3, 3)] if self.rng.random() < 0.7 else [client]

    def reference(self, place: int) -> Reference:
        """A mark and an index a few ticks around the centre, in subticks."""
        centre = int(self.centre[place]) * 1000
        mark, index = (centre + int(self.rng.integers(-12_000, 12_001)) for _ in range(2))
        return Reference(int(self.rng.integers(0, CONTRACTS)), max(mark, 1), max(index, 1))


def flow(seed: int, count: int, mix: Mix | None = None) -> Script:
    """`count` commands after the stage is set; the same seed and mix give the same script."""
    draw = _Flow(seed, count, mix or Mix())
    rows = draw.rows()
    script: Script = []
    restores: list[tuple[int, Any]] = []
    for place in range(count):
        row = rows[place : place + 1].copy()
        kind = int(row["kind"][0])
        while restores and restores[0][0] <= place:
            script.append(_at(restores.pop(0)[1], row))
        if kind == REFERENCE:
            script.append(draw.reference(place))
        elif kind == DIRECTIVE and draw.mix.houses and draw.rng.random() < draw.mix.houses:
            script += [_at(directive, row) for directive in draw.change_of_house()]
        elif kind == DIRECTIVE and draw.rng.random() < 0.5:
            limit, restore = draw.restriction()
            restores = sorted([*restores, (place + draw.one_of(*range(4, 30)), restore)], key=lambda item: item[0])
            script.append(_at(limit, row))
        elif kind == DIRECTIVE:
            script.append(_at(draw.setting(), row))
        elif row["flags"][0] & ExecInst.LABELLED and kind in (1, 4) and draw.rng.random() < 0.95:
            script.append(build.labelled(row, LABELS[draw.rng.integers(len(LABELS))]))
        else:
            script.append(row)
    return script


def _at(directive: Any, row: Any) -> Any:
    """The directive at the row's time."""
    directive["time_ns"] = row["time_ns"]
    return directive


def storm() -> Script:
    """More work at one instant than one command does: expiries, triggers, icebergs, wide mass cancels."""
    end, gtd = START_NS + 10 * SECOND, {"tif": TimeInForce.GTD}
    script: Script = [build.new(0, Side.SELL, 10, 1000), build.new(4, Side.BUY, 10, 1000)]
    script += [build.new(0, Side.BUY, 2, 900 + i % 7, expire_ns=end, cl_ord_id=i + 1, **gtd) for i in range(100)]
    script += [build.time(time_ns=end - 1), build.new(4, Side.SELL, 2, 1001, time_ns=end)]
    script += [build.new(0, Side.SELL, 2, 906), build.time(), build.time()]
    stop = {"ord_type": OrdType.STOP_MARKET, "trigger_source": 2}
    script += [build.new(i % 2 * 4, Side.BUY, 2, trigger_price_ticks=1010 - i % 8, **stop) for i in range(90)]
    shown = {"flags": ExecInst.ICEBERG, "display_lots": 2}
    script += [build.new(1, Side.SELL, 40, 1002 + i % 12, **shown) for i in range(12)]
    script += [build.new(4, Side.BUY, 400, 1012), *[build.time() for _ in range(3)], build.mass_cancel(0)]
    script += [build.new(i % 5, Side.BUY, 2, 800 + i, cl_ord_id=500 + i) for i in range(140)]
    script += [build.labelled(build.new(1, Side.BUY, 2, 790), "alpha"), build.mass_cancel(contract=0, side=Side.BUY)]
    script += [build.new(0, Side.BUY, 2, 801 + i) for i in range(6)]
    script += [build.mass_cancel(0), build.mass_cancel(group=1), build.labelled(build.mass_cancel(), "alpha")]
    script += [build.time(), *[build.new(0, Side.BUY, 2, 600 + i) for i in range(170)], build.mass_cancel(0)]
    script += [*[build.new(0, Side.BUY, 2, 700 + i) for i in range(3)], *[build.time() for _ in range(4)]]
    moved = Reference(1, 1_040_000, 1_040_000)
    script += [build.new(0, Side.SELL, 10, 1000, contract_slot=1), moved]
    return [*script, build.new(4, Side.BUY, 10, 1010, contract_slot=1, tif=TimeInForce.FOK)]


def lapses() -> Script:
    """Everything that lets an account open ends while it has orders: dates, an approval, a person's knowledge."""
    end = START_NS + 10 * SECOND
    stop = {"ord_type": OrdType.STOP_MARKET, "trigger_source": 2}
    script: Script = [build.new(4, Side.SELL, 10, 1000), build.new(0, Side.BUY, 10, 1000)]
    dates = (A.EVIDENCE_UNTIL_NS, A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.CONFIRMATION_UNTIL_NS)
    script += [build.account_set(account, date, end) for account, date in enumerate(dates)]
    script += [build.new(account, Side.BUY, 4, 980 + account) for account in range(ACCOUNTS)]
    script += [build.new(account, Side.BUY, 4, trigger_price_ticks=1050, **stop) for account in range(ACCOUNTS)]
    script += [build.new(0, Side.SELL, 4, 1020, flags=ExecInst.REDUCE_ONLY)]
    script += [build.account_set(5, A.AFFILIATION, 1), build.approval(5, 0, end + SECOND)]
    script += [build.new(5, Side.SELL, 4, 1015, flags=ExecInst.POST_ONLY), build.person(2, end)]
    script += [build.new(4, Side.BUY, 2, 970, person=2), build.time(time_ns=end)]
    script += [build.new(account, Side.BUY, 2, 985) for account in range(ACCOUNTS)]
    script += [build.new(4, Side.BUY, 2, 970, person=2), build.time(time_ns=end + SECOND)]
    script += [build.new(5, Side.SELL, 4, 1015, flags=ExecInst.POST_ONLY), build.approval(5, 0, end + 9 * SECOND)]
    script += [eligible(account, date) for account, date in enumerate(dates)]
    return script + [build.new(account, Side.SELL, 2, 1012) for account in range(ACCOUNTS)]


def yielding() -> Script:
    """Orders of clients and affiliates at one price: icebergs, amends, tags that come and go, what stops a taker."""
    iceberg, reduce = {"flags": ExecInst.ICEBERG, "display_lots": 2}, {"flags": ExecInst.REDUCE_ONLY}
    script: Script = [*houses(), build.new(1, Side.BUY, 20, 1000), build.new(4, Side.SELL, 40, 1000)]
    script += [build.new(5, Side.BUY, 20, 1000), build.new(0, Side.SELL, 4, 1002), build.new(2, Side.SELL, 4, 1002)]
    script += [build.new(3, Side.SELL, 6, 1002, **iceberg), build.new(1, Side.SELL, 6, 1002, **iceberg)]
    script += [build.new(0, Side.SELL, 4, 1002, cl_ord_id=2), build.new(5, Side.SELL, 4, 1002, cl_ord_id=3)]
    script += [build.amend(0, cl_ord_id=2, qty_lots=8), build.amend(5, cl_ord_id=3, qty_lots=2)]
    script += [build.new(4, Side.BUY, lots, 1002) for lots in (3, 1, 5, 4, 1, 2, 2, 1, 6)]
    # A tag comes while orders rest, and goes again.
    script += [build.new(1, Side.SELL, 2, 1003, cl_ord_id=10 + place, **reduce) for place in range(4)]
    script += [build.amend(1, cl_ord_id=11, qty_lots=5), build.new(5, Side.SELL, 3, 1003, **reduce)]
    script += [build.new(3, Side.SELL, 5, 1003), *house(1), build.new(5, Side.SELL, 2, 1003, **reduce)]
    script += [build.new(4, Side.BUY, 2, 1003), build.account_set(1, A.AFFILIATION, Affiliation.CLIENT)]
    script += [build.amend(1, cl_ord_id=13, qty_lots=3), build.new(5, Side.SELL, 2, 1003, **reduce), *house(1)]
    script += [build.new(4, Side.BUY, lots, 1003) for lots in (1, 3, 5, 2, 9)]
    # The taker ends at an order of its group: an affiliate's behind all clients, or a client's among them.
    once = {"self_trade": SelfTrade.CANCEL_TAKER, "tif": TimeInForce.FOK}
    for stop, lots in ((3, 12), (3, 13), (5, 6), (5, 7)):
        script += [build.mass_cancel(contract=0, side=Side.SELL), build.new(3, Side.SELL, 4, 1004)]
        script += [build.new(4, Side.SELL, 10, 1004, **iceberg), build.new(2, Side.SELL, 2, 1004)]
        script += [build.new(4, Side.SELL, 9, 1004, **iceberg), build.new(5, Side.SELL, 2, 1004)] if stop == 5 else []
        script += [build.new(5, Side.BUY, lots, 1004, **once)]
    # Conditional orders queue by arrival, and are of the class that their account has when they come to the book.
    stop = {"ord_type": OrdType.STOP_LIMIT, "trigger_source": 2, "trigger_price_ticks": 1006}
    script += [build.mass_cancel(contract=0, side=Side.SELL), build.new(0, Side.BUY, 3, 1005, **stop)]
    script += [build.new(4, Side.BUY, 3, 1005, **stop), build.account_set(0, A.AFFILIATION, Affiliation.CLIENT)]
    script += [build.new(0, Side.BUY, 3, 1005, flags=ExecInst.REDUCE_ONLY, **stop), *house(0)]
    script += [build.new(0, Side.BUY, 2, 1005, **stop)]
    script += [build.new(5, Side.SELL, 2, 1006), build.new(2, Side.BUY, 2, 1006)]
    return [*script, build.new(2, Side.BUY, 3, 1005), *(build.new(5, Side.SELL, 2, 1005) for _ in range(6))]


def owners() -> Script:
    """Clients with several accounts are frozen, switched off and limited, and get another account meanwhile."""
    frozen, killed, limit = C.FROZEN, C.KILL_SWITCH, C.MAX_EXPOSURE_MICROS
    everybody = range(ACCOUNTS)
    script: Script = [build.new(account, Side.BUY, 6, 980 + account) for account in everybody]
    script += [build.new(0, Side.SELL, 6, 985), build.new(1, Side.SELL, 4, 1020)]
    script += [build.new(5, Side.SELL, 4, 1020, flags=ExecInst.REDUCE_ONLY)]
    script += [build.client_set(1, killed, 1), *[build.new(account, Side.BUY, 2, 975) for account in everybody]]
    script += [build.client_set(1, frozen, 1), build.client_set(1, killed, 0), build.cancel(0, cl_ord_id=7)]
    script += [build.account_set(0, A.RESTRICTION, Restriction.CLOSED), build.account_set(0, A.CLIENT, 2)]
    script += build.opened(9, client=1)
    script += [build.new(9, Side.BUY, 2, 970), build.client_set(1, frozen, 0), build.new(9, Side.BUY, 2, 970)]
    script += [build.client_set(2, limit, 3_000_000), build.new(2, Side.BUY, 16, 990), build.new(3, Side.BUY, 14, 990)]
    script += [
        build.new(4, Side.SELL, 4, 1030),
        build.client_set(2, limit, 2_400_000),
        build.new(4, Side.SELL, 4, 1030),
    ]
    script += [build.account_set(3, A.MAX_EXPOSURE_MICROS, 100_000), build.client_set(2, limit, 0)]
    script += [build.new(account, Side.BUY, 8, 960) for account in everybody]
    script += [build.client_set(3, frozen, 1), build.account_set(5, A.CLIENT, 3), build.new(5, Side.BUY, 2, 960)]
    script += [build.new(2, Side.BUY, 2, 700 + i) for i in range(70)]
    script += [build.new(3, Side.BUY, 2, 700 + i) for i in range(10)]
    return [*script, build.client_set(2, killed, 1), *[build.time() for _ in range(3)]]


def crowded_names(account: int, count: int) -> list[int]:
    """Client ids that all belong to the last bucket of the map of client ids, as long as it has 64 or 128 cells."""
    found: list[int] = []
    name = 0
    while len(found) < count:
        name += 1
        word = wrapped(wrapped(name ^ wrapped(account * _K1)) * _K2)
        word = wrapped((word ^ word >> 32) * _K3)
        if word >> 23 & 127 >= 120:
            found.append(name)
    return found


def wrapped(word: int) -> int:
    """The int64 with the same low 64 bits."""
    return (word + (1 << 63)) % (1 << 64) - (1 << 63)


def crowd(seed: int, count: int = 160) -> Script:
    """Orders come and go whose client ids run over the end of the map: most stand away from where they belong."""
    rng = np.random.default_rng(seed)
    names, live = crowded_names(0, 24), []
    script: Script = []
    for _ in range(count):
        if live and (len(live) == len(names) or rng.random() < 0.45):
            script.append(build.cancel(0, cl_ord_id=live.pop(int(rng.integers(len(live))))))
        else:
            name = next(name for name in names if name not in live)
            live.append(name)
            script.append(build.new(0, Side.BUY, 5, int(rng.integers(900, 950)), cl_ord_id=name))
    return script


def icebergs() -> Script:
    """Orders of one group meet, of which one hides most of itself."""
    iceberg = {"flags": ExecInst.ICEBERG, "display_lots": 2}
    script: Script = []
    for lots in (3, 6, 10, 14):
        script.append(build.new(1, Side.SELL, 10, 1000, **iceberg))
        script.append(build.new(2, Side.BUY, lots, 1000, self_trade=SelfTrade.DECREMENT))
    return script
