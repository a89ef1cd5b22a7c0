"""A generator of command flow in which rights to open come and go while more orders wait than one command cancels.

Episodes: an account places many orders, then loses a right in one of the ways there are; others take, its own persons
amend, and the right comes back, sometimes while the cancellations still wait. Ordinary flow goes on in between.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import (
    CommandKind,
    ExecInst,
    InvestorClass,
    MarketState,
    OrdType,
    PriceSource,
    Restriction,
    Side,
    TimeInForce,
    VenueState,
)
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import CENTRE_TICKS, SECOND, START_NS
from tests.flow import ACCOUNTS, CONTRACTS, eligible, flow, stage
from tests.model import Limits
from tests.pair import Reference, Script

LIMITS = Limits(orders=1500, accounts=16, positions=40, groups=8, persons=8, jobs=8)
PERSONS = (1, 2, 3)
BURSTS = (1, 40, 65, 130, 200, 400)
"""How many orders an account places before it loses a right; one command cancels 64."""
Ways = tuple[list[Any], list[Any]]
"""What ends a right, and what restores it."""


def rights_stage() -> Script:
    """The stage of `flow` with larger positions; every person knows derivatives and affiliates place any order."""
    free = build.directive(CommandKind.VENUE_SET, code=V.AFFILIATE_POST_ONLY, value=0)
    large = [build.contract_set(contract, P.MAX_POSITION_LOTS, 1 << 20) for contract in range(CONTRACTS)]
    return [*stage(), free, *large, *map(build.person, PERSONS)]


@dataclass
class _Episodes:
    """The script so far, with its clock."""

    rng: np.random.Generator
    now_ns: int = START_NS
    script: Script = field(default_factory=list)

    def one(self, *values: Any) -> Any:
        """One of some values."""
        return values[int(self.rng.integers(len(values)))]

    def chance(self, share: float) -> bool:
        """True for about this share."""
        return bool(self.rng.random() < share)

    def say(self, *rows: Any) -> None:
        """Commands at the present time; those that say their own time move it."""
        for row in rows:
            if isinstance(row, Reference):
                self.script.append(row)
                continue
            self.script.append(row.copy())
            if row["time_ns"][0] == 0:
                self.script[-1]["time_ns"] = self.now_ns
            self.now_ns = max(self.now_ns, int(row["time_ns"][0]))

    # --- orders ---------------------------------------------------------------------------------------------------

    def order(self, account: int, contract: int, side: int, depth: int, **fields: Any) -> Any:
        """An order some ticks beyond the centre on the passive side; negative depths take."""
        price = CENTRE_TICKS + depth if side == Side.SELL else CENTRE_TICKS - depth
        lots = 2 * int(self.rng.integers(2, 6))
        usual = {"contract_slot": contract, "person": self.one(1, 1, 2, 3), "self_trade": self.one(0, 0, 1, 2, 3)}
        return build.new(account, side, lots, price, **(usual | fields))

    def resting(self, account: int, contract: int, side: int) -> Any:
        """One of an account's many orders: most open, some reduce, wait for a trigger, or hide a part."""
        depth, kind = int(self.rng.integers(0, 14)), self.rng.random()
        if kind < 0.08:
            return self.order(account, contract, side, depth, flags=ExecInst.REDUCE_ONLY)
        if kind < 0.14:
            fields = {"ord_type": OrdType.STOP_LIMIT, "trigger_source": PriceSource.LAST}
            far = 20 + depth if side == Side.BUY else -20 - depth
            return self.order(account, contract, side, depth, trigger_price_ticks=CENTRE_TICKS + far, **fields)
        if kind < 0.2:
            return self.order(account, contract, side, depth, flags=ExecInst.ICEBERG, display_lots=4, qty_lots=12)
        return self.order(account, contract, side, depth)

    def taking(self, owner: int, contract: int, side: int) -> Any:
        """Somebody takes what the owner has on the book, or the owner itself comes to it again."""
        account = self.one(*range(ACCOUNTS), owner)
        wanted = Side.SELL if side == Side.BUY else Side.BUY
        tif = self.one(TimeInForce.GTC, TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK)
        lots = 2 * int(self.rng.integers(2, 120))
        flags = ExecInst.REDUCE_ONLY if self.chance(0.2) else 0
        depth = -int(self.rng.integers(0, 14))
        return self.order(account, contract, wanted, depth, qty_lots=lots, tif=tif, flags=flags)

    def amending(self, owner: int) -> Any:
        """The owner, or one of its persons, changes one of the many; some of them would then trade."""
        change = self.one({"price_ticks": CENTRE_TICKS + int(self.rng.integers(-8, 9))}, {"qty_lots": 4}, {})
        back = -int(self.rng.integers(1, 33))
        return build.amend(owner, order_id=back, person=self.one(*PERSONS), **change)

    # --- rights ---------------------------------------------------------------------------------------------------

    def soon(self) -> int:
        """An instant within the next seconds, not always a whole second."""
        return self.now_ns + self.one(0, 1, SECOND // 2, SECOND, 2 * SECOND)

    def _date(self, owner: int) -> Ways:
        date = self.one(A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS)
        until_ns = self.soon()
        return [build.account_set(owner, date, until_ns), build.time(time_ns=until_ns)], [eligible(owner, date)]

    def _given(self, owner: int) -> Ways:
        given = self.one(A.JURISDICTION_PERMITTED, A.VA_KNOWLEDGE, A.RISK_PROFILE, A.AGREEMENT, A.INVESTOR_CLASS)
        return [build.account_set(owner, given, 0)], [eligible(owner, given)]

    def _withdrawn(self, owner: int) -> Ways:
        return [build.account_set(owner, A.PI_WITHDRAWN, 1)], [build.account_set(owner, A.PI_WITHDRAWN, 0)]

    def _restricted(self, owner: int) -> Ways:
        put = self.one(Restriction.REDUCE_ONLY, Restriction.SUSPENDED, Restriction.SUSPENDED, Restriction.FROZEN)
        stopped = [build.account_set(owner, A.REDUCING_STOPPED_UNTIL_NS, self.soon())] if self.chance(0.5) else []
        ends = [build.account_set(owner, A.RESTRICTION, put), *stopped]
        return ends[:: self.one(1, -1)], [build.account_set(owner, A.RESTRICTION, Restriction.NONE)]

    def _killed(self, owner: int) -> Ways:
        return [build.account_set(owner, A.KILL_SWITCH, 1)], [build.account_set(owner, A.KILL_SWITCH, 0)]

    def _disclosed(self, owner: int) -> Ways:
        raised = build.contract_set(1, P.DISCLOSURE_LOSS, 2)
        back = self.one(build.account_set(owner, A.DISCLOSURE_LOSS, 2), build.contract_set(1, P.DISCLOSURE_LOSS, 1))
        return [raised], [back, build.contract_set(1, P.DISCLOSURE_LOSS, 1)]

    def _unacknowledged(self, owner: int) -> Ways:
        code = self.one(A.DISCLOSURE_PRODUCT, A.DISCLOSURE_LOSS)
        return [build.account_set(owner, code, 0)], [build.account_set(owner, code, 2)]

    def _affiliated(self, owner: int) -> Ways:
        other = self.one(1, 1, 2)
        return [build.account_set(owner, A.AFFILIATION, other)], [build.account_set(owner, A.AFFILIATION, 0)]

    def _person(self, owner: int) -> Ways:
        person, until_ns = self.one(*PERSONS), self.one(START_NS, self.soon())
        return [build.person(person, until_ns), build.time(time_ns=until_ns)], [build.person(person)]

    def _key(self, owner: int) -> Ways:
        return [build.key_revoked(owner, self.one(*PERSONS))], []

    def _institution(self, owner: int) -> Ways:
        """Spared what others must know, until it is no institution any more or the policy changes."""
        institution = build.account_set(owner, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL)
        skip = [build.directive(CommandKind.VENUE_SET, code=9, value=value) for value in (0, 1)]
        individual = build.account_set(owner, A.INVESTOR_CLASS, 1)
        unknowing = [institution, build.person(self.one(*PERSONS), START_NS)]
        ends = self.one(skip[:1], [individual.copy()])
        return [*unknowing, self.resting(owner, 0, Side.BUY), *ends], [skip[1], individual, *map(build.person, PERSONS)]

    def _contract(self, owner: int) -> Ways:
        contract = self.one(*range(CONTRACTS))
        later = self.one(MarketState.OPEN, MarketState.CANCEL_ONLY, MarketState.HALTED)
        states = [build.contract_state(contract, state) for state in (MarketState.REDUCE_ONLY, later, MarketState.OPEN)]
        return states[:1], states[1:]

    def _swept(self, owner: int) -> Ways:
        group, own = {"group": self.one(0, 1, 2)}, {"account": owner}
        scope = self.one(own, {"contract": 0}, group, own | {"side": self.one(Side.BUY, Side.SELL)})
        flags = self.one(0, ExecInst.KEEP_PROTECTION)
        return [build.mass_cancel(**scope, flags=flags)], []

    def ways(self, owner: int) -> Ways:
        """One of the ways of losing a right."""
        known: tuple[Callable[[int], Ways], ...] = (
            self._date, self._given, self._withdrawn, self._restricted, self._killed, self._disclosed,
            self._unacknowledged, self._affiliated, self._person, self._key, self._institution, self._contract,
            self._swept,
        )  # fmt: skip
        return self.one(*known)(owner)

    def approved(self, owner: int) -> None:
        """The owner becomes a company of the group, approved for a while; what follows is one more way."""
        ends_ns = self.one(self.now_ns + SECOND, self.now_ns + 60 * SECOND)
        self.say(build.account_set(owner, A.AFFILIATION, 1))
        self.say(*(build.approval(owner, contract, ends_ns) for contract in range(CONTRACTS)))

    def episode(self) -> None:
        """Many orders, a loss, and what happens around it."""
        owner, contract = self.one(*range(ACCOUNTS)), self.one(0, 0, 1)
        side = self.one(Side.BUY, Side.SELL)
        if self.chance(0.7):
            self.say(build.mass_cancel(), *(build.time() for _ in range(4)))
            self.say(Reference(1, CENTRE_TICKS * 1000, CENTRE_TICKS * 1000))
        if self.chance(0.15):
            self.approved(owner)
        for _ in range(self.one(*BURSTS)):
            self.say(self.resting(owner, contract, side))
        restores: Script = []
        for _ in range(self.one(1, 1, 2)):
            ends, restored = self.ways(owner)
            self.say(*ends)
            restores += restored
        if self.chance(0.5):
            self.say(*restores)
            restores = []
        for _ in range(self.one(2, 4, 8)):
            self.say(self.one(self.taking, self.taking, self.taking)(owner, contract, side))
            if self.chance(0.5):
                self.say(self.amending(owner))
            if self.chance(0.2):
                self.say(build.time(time_ns=self.now_ns + self.one(1, SECOND // 2, SECOND)))
            if self.chance(0.1):
                self.say(*self.ways(owner)[0])
        self.say(*restores, *self.rights(owner))
        if self.chance(0.5):
            self.say(build.mass_cancel(owner))

    def rights(self, owner: int) -> Script:
        """Everything that lets the owner open, so that the next episode has something to lose."""
        rows = [eligible(owner, attribute) for attribute in (*build.ELIGIBLE, A.INVESTOR_CLASS)]
        put = (A.RESTRICTION, A.KILL_SWITCH, A.PI_WITHDRAWN, A.AFFILIATION)
        rows += [build.account_set(owner, code, 0) for code in put]
        rows.append(build.account_set(owner, A.MAX_OPEN_ORDERS, LIMITS.orders))
        rows += [build.contract_state(contract, MarketState.OPEN) for contract in range(CONTRACTS)]
        rows += [build.group_set(group, contract, 0) for group in (1, 2) for contract in range(CONTRACTS)]
        rows += [build.venue_state(VenueState.OPEN), build.contract_set(1, P.DISCLOSURE_LOSS, 1)]
        return [*rows, *map(build.person, PERSONS)]


def rights_flow(seed: int, count: int) -> Script:
    """At least `count` commands after `rights_stage`; the same seed gives the same script."""
    draw = _Episodes(np.random.default_rng(seed))
    between = flow(seed, count // 3)
    place = 0
    while len(draw.script) < count:
        draw.episode()
        piece = between[place : place + 25]
        place += 25
        for item in piece:
            if not isinstance(item, Reference):
                item["time_ns"] = np.where(item["kind"] == CommandKind.LABEL, item["time_ns"], 0)
        draw.say(*piece)
    return draw.script


# --- each way of losing a right, once -----------------------------------------------------------------------------

MANY = 340
"""Orders of one account: however many commands end a right, restore it and take, some are left in the queue."""


def _ways_of(owner: int) -> list[tuple[int, Script, Script]]:
    """(contract, what ends a right, what restores it), each as commands at one instant."""
    put = {value: build.account_set(owner, A.RESTRICTION, value) for value in Restriction}
    stopped = build.account_set(owner, A.REDUCING_STOPPED_UNTIL_NS, build.FAR_NS)
    institution = build.account_set(owner, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL)
    skip = [build.directive(CommandKind.VENUE_SET, code=9, value=value) for value in (0, 1)]
    affiliation = [build.account_set(owner, A.AFFILIATION, value) for value in (0, 1, 2)]
    lost = (A.INVESTOR_CLASS, A.RISK_PROFILE, A.AGREEMENT)
    set_to_one = (A.KILL_SWITCH, A.PI_WITHDRAWN)
    return [
        *((0, [put[value]], [put[0]]) for value in list(Restriction)[1:4]),
        *((0, [build.account_set(owner, code, 0)], [eligible(owner, code)]) for code in lost),
        *((0, [build.account_set(owner, code, 1)], [build.account_set(owner, code, 0)]) for code in set_to_one),
        (0, [stopped, put[Restriction.SUSPENDED]], [put[0]]),
        (1, [build.contract_set(1, P.DISCLOSURE_LOSS, 2)], [build.account_set(owner, A.DISCLOSURE_LOSS, 2)]),
        (1, [build.contract_set(1, P.DISCLOSURE_LOSS, 3)], [build.contract_set(1, P.DISCLOSURE_LOSS, 1)]),
        (1, [build.account_set(owner, A.DISCLOSURE_LOSS, 0)], [eligible(owner, A.DISCLOSURE_LOSS)]),
        (0, [build.person(2, START_NS)], [build.person(2)]),
        (0, [build.key_revoked(owner, 2)], []),
        (0, [build.contract_state(0, MarketState.REDUCE_ONLY)], [build.contract_state(0, MarketState.OPEN)]),
        (0, [build.mass_cancel(owner)], []),
        (0, [build.mass_cancel(contract=0)], []),
        (0, [affiliation[2]], [affiliation[0]]),
        (0, [institution, build.person(2, START_NS), skip[0]], [skip[1]]),
        (0, [build.account_set(owner, A.INVESTOR_CLASS, 1)], [build.person(2)]),
    ]


def losses(many: int = MANY) -> Script:
    """Each way of losing a right while many orders rest, restored at once; then others take, and one is amended."""
    owner, other, buyer = 0, 4, 5
    draw = _Episodes(np.random.default_rng(0))
    for contract, ends, restores in _ways_of(owner):
        draw.say(build.mass_cancel(), *(build.time() for _ in range(4)), Reference(1, 1_000_000, 1_000_000))
        at = {"contract_slot": contract}
        draw.say(build.new(other, Side.SELL, 20, 1000, **at), build.new(owner, Side.BUY, 20, 1000, **at))
        draw.say(build.new(other, Side.BUY, 4, 995, **at))
        draw.say(build.new(owner, Side.SELL, 4, 1001, flags=ExecInst.REDUCE_ONLY, **at))
        at |= {"person": 2}
        draw.say(*(build.new(owner, Side.SELL, 4, 1002 + n % 8, cl_ord_id=1 + n, **at) for n in range(many)))
        draw.say(*ends, *restores)
        draw.say(build.amend(owner, cl_ord_id=many, price_ticks=994))
        at["person"] = 1
        draw.say(build.new(buyer, Side.BUY, 8, 1015, tif=TimeInForce.FOK, **at))
        draw.say(build.new(buyer, Side.BUY, 1000, 1015, tif=TimeInForce.IOC, **at))
    return [*draw.script, *_instants(draw.now_ns, owner, other)]


def _ends_at(owner: int, end_ns: int) -> list[Script]:
    """What lets an account open until an instant, each as the commands that say so."""
    dates = (A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS)
    approved = [build.account_set(owner, A.AFFILIATION, 1), build.approval(owner, 0, end_ns)]
    return [*([build.account_set(owner, date, end_ns)] for date in dates), [build.person(2, end_ns)], approved]


def _instants(now_ns: int, owner: int, other: int) -> Script:
    """Rights that end within a second: on contact at that instant, in the queue after it, and restored in between."""
    draw = _Episodes(np.random.default_rng(0), now_ns)
    for place in range(2 * len(_ends_at(owner, now_ns))):
        end_ns = (draw.now_ns // SECOND + 1) * SECOND + SECOND // 2
        draw.say(build.mass_cancel(), build.time(), *_ends_at(owner, end_ns)[place // 2])
        draw.say(*(build.new(owner, Side.SELL, 4, 1002, person=2) for _ in range(3)))
        draw.say(build.amend(owner, order_id=-1, price_ticks=1003, person=1))
        if place % 2 == 0:
            draw.say(build.new(other, Side.BUY, 12, 1003, tif=TimeInForce.FOK, time_ns=end_ns))
            draw.say(build.new(other, Side.BUY, 8, 1002, tif=TimeInForce.IOC))
        draw.say(build.time(time_ns=end_ns), *draw.rights(owner), build.new(other, Side.BUY, 4, 1003))
        draw.say(build.time(time_ns=end_ns + SECOND), build.new(other, Side.BUY, 12, 1003))
    return draw.script
