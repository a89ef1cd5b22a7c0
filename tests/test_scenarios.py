"""One scenario for each reason, in the order in which the ladder answers; and after a refusal nothing has changed."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.codes import AccountAttribute as A
from engine.codes import (
    Affiliation,
    CommandKind,
    EventKind,
    ExecInst,
    InvestorClass,
    MarketState,
    Mode,
    OrdType,
    PriceSource,
    Reason,
    Restriction,
    TimeInForce,
    VenueParameter,
    VenueState,
)
from engine.codes import ContractParameter as P
from tests import build, state
from tests.build import BUY, PERPETUAL, PLAIN_CONTRACT, SECOND, SELL, START_NS, WITHOUT_MONEY, Rows, account_set, new
from tests.model import Limits
from tests.pair import SMALL, Pair, Reference, Script
from tests.test_collateral import REFUSED_COLLATERAL
from tests.test_money_scenarios import REACHED

ONE_ORDER = Limits(orders=1, accounts=8, positions=9, groups=2, persons=2, jobs=2)
MARK = Reference(0, 1_000_000, 1_000_000)
STOP = {"ord_type": OrdType.STOP_MARKET, "trigger_source": PriceSource.LAST}
REDUCE = {"flags": ExecInst.REDUCE_ONLY}
TRADE = [new(0, SELL, 10, 1000), new(1, BUY, 10, 1000)]
"""Account 0 is short and account 1 long 10 lots."""


@dataclass
class Scenario:
    """A venue, what happens first, and the command that gets the reason."""

    reason: Reason
    last: Rows
    before: Script = field(default_factory=list)
    contract: dict[P, int] = field(default_factory=lambda: PLAIN_CONTRACT)
    groups: tuple[int, ...] = ()
    limits: Limits = SMALL
    mode: Mode = Mode.RESEARCH

    def pair(self) -> Pair:
        """Both engines just before the command."""
        pair = Pair(self.limits, self.mode)
        groups = (*self.groups, 0, 0, 0, 0)
        accounts = [row for slot in range(4) for row in build.opened(slot, groups[slot])]
        pair.play([build.person(1), *accounts, *(build.listed(0, self.contract) if self.contract else [])])
        pair.play(copies(self.before))
        return pair


def copies(script: Script) -> Script:
    """The same commands, not stamped yet."""
    return [rows.copy() if isinstance(rows, np.ndarray) else rows for rows in script]


def restricted(restriction: int, account: int = 0) -> Rows:
    """An operator restricts an account."""
    return account_set(account, A.RESTRICTION, restriction)


ORDER = new(0, BUY, 10, 990)
GROUP_COMPANY = account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY)
LACKING: list[tuple[Reason, Script]] = [
    (Reason.KYC_NOT_VALID, [account_set(0, A.KYC_UNTIL_NS, START_NS)]),
    (Reason.SCREENING_STALE, [account_set(0, A.SCREENING_UNTIL_NS, START_NS)]),
    (Reason.JURISDICTION_NOT_PERMITTED, [account_set(0, A.JURISDICTION_PERMITTED, 0)]),
    (Reason.NOT_PROFESSIONAL_INVESTOR, [account_set(0, A.INVESTOR_CLASS, InvestorClass.NONE)]),
    (Reason.PI_WITHDRAWN, [account_set(0, A.PI_WITHDRAWN, 1)]),
    (Reason.PI_EVIDENCE_MISSING, [account_set(0, A.EVIDENCE_UNTIL_NS, 0)]),
    (Reason.PI_EVIDENCE_EXPIRED, [account_set(0, A.EVIDENCE_UNTIL_NS, START_NS)]),
    (Reason.PI_CONFIRMATION_OVERDUE, [account_set(0, A.CONFIRMATION_UNTIL_NS, START_NS)]),
    (Reason.VA_KNOWLEDGE_REQUIRED, [account_set(0, A.VA_KNOWLEDGE, 0)]),
    (Reason.DERIVATIVES_KNOWLEDGE_REQUIRED, [build.person(1, START_NS)]),
    (Reason.RISK_PROFILE_MISMATCH, [account_set(0, A.RISK_PROFILE, 0)]),
    (Reason.AGREEMENT_MISSING, [account_set(0, A.AGREEMENT, 0)]),
    (Reason.DISCLOSURE_NOT_ACKNOWLEDGED, [build.contract_set(0, P.DISCLOSURE_PRODUCT, 2)]),
    (Reason.AFFILIATE_PROHIBITED, [account_set(0, A.AFFILIATION, Affiliation.OPERATOR)]),
    (Reason.AFFILIATE_NOT_APPROVED, [GROUP_COMPANY]),
    (
        Reason.AFFILIATE_ORDER_STYLE,
        [
            build.directive(CommandKind.VENUE_SET, code=VenueParameter.AFFILIATE_POST_ONLY, value=1),
            GROUP_COMPANY,
            build.approval(0, 0, build.FAR_NS),
        ],
    ),
]
"""Rows 6 to 15: what is missing when each of them is the first to fail."""
REFUSED_ORDERS = [
    Scenario(Reason.UNKNOWN_ACCOUNT, new(9, BUY, 10, 990)),
    Scenario(Reason.ACCOUNT_CLOSED, ORDER, [restricted(Restriction.CLOSED)]),
    Scenario(Reason.UNKNOWN_CONTRACT, new(0, BUY, 10, 990, contract_slot=1)),
    Scenario(Reason.ACCOUNT_RESTRICTED, ORDER, [restricted(Restriction.FROZEN)]),
    Scenario(Reason.ACCOUNT_SUSPENDED, ORDER, [restricted(Restriction.SUSPENDED)]),
    Scenario(Reason.VENUE_HALTED, ORDER, [build.venue_state(VenueState.HALTED)]),
    Scenario(Reason.MARKET_HALTED, ORDER, [build.contract_state(0, MarketState.HALTED)]),
    Scenario(Reason.MARKET_CANCEL_ONLY, ORDER, [build.contract_state(0, MarketState.CANCEL_ONLY)]),
    Scenario(Reason.MARKET_REDUCE_ONLY, ORDER, [build.contract_state(0, MarketState.REDUCE_ONLY)]),
    Scenario(Reason.MARKET_POST_ONLY, ORDER, [build.contract_state(0, MarketState.POST_ONLY)]),
    *(Scenario(reason, ORDER, lacking) for reason, lacking in LACKING),
    Scenario(Reason.UNSUPPORTED_ORDER, new(0, BUY, 10, 990, ord_type=77)),
    Scenario(Reason.BAD_TICK, new(0, BUY, 10, 100_001)),
    Scenario(Reason.BAD_LOT, new(0, BUY, 11, 990), contract=PLAIN_CONTRACT | {P.LOT_STEP: 2}),
    Scenario(Reason.BAD_EXPIRY, new(0, BUY, 10, 990, tif=TimeInForce.GTD, expire_ns=START_NS + 1)),
    Scenario(Reason.QTY_TOO_SMALL, new(0, BUY, 10, 990), contract=PLAIN_CONTRACT | {P.MIN_ORDER_LOTS: 11}),
    Scenario(Reason.QTY_TOO_LARGE, new(0, BUY, 1001, 990)),
    Scenario(Reason.DUPLICATE_ID, new(0, BUY, 11, 990, cl_ord_id=5), [new(0, BUY, 10, 990, cl_ord_id=5)]),
    Scenario(Reason.TRIGGER_WOULD_FIRE, new(0, BUY, 10, trigger_price_ticks=1000, **STOP), TRADE),
    Scenario(Reason.CAPACITY, ORDER, [new(1, BUY, 10, 990)], limits=ONE_ORDER),
    Scenario(Reason.REFERENCE_PRICE_UNAVAILABLE, ORDER, contract=PERPETUAL),
    Scenario(Reason.PRICE_OUT_OF_BAND, new(0, BUY, 10, 1031), [MARK], contract=PERPETUAL),
    Scenario(Reason.ORDER_VALUE_LIMIT, ORDER, contract=PLAIN_CONTRACT | {P.MAX_ORDER_VALUE_MICROS: 989_999}),
    Scenario(Reason.TOO_MANY_ORDERS, ORDER, [account_set(0, A.MAX_OPEN_ORDERS, 1), ORDER.copy()]),
    Scenario(Reason.POSITION_LIMIT, new(0, BUY, 1000, 990), [new(0, BUY, 1000, 989), new(0, BUY, 1, 988)]),
    Scenario(
        Reason.GROUP_POSITION_LIMIT,
        ORDER,
        [build.group_set(1, 0, 29), new(1, BUY, 20, 980)],
        groups=(1, 1),
    ),
    Scenario(Reason.EXPOSURE_LIMIT, ORDER, [MARK, account_set(0, A.MAX_EXPOSURE_MICROS, 999_999)], contract=PERPETUAL),
    Scenario(Reason.OPEN_INTEREST_CAP, ORDER, TRADE, contract=PLAIN_CONTRACT | {P.MAX_OPEN_INTEREST_LOTS: 19}),
    Scenario(Reason.REDUCE_ONLY_WOULD_INCREASE, new(1, BUY, 10, 990, **REDUCE), TRADE),
    Scenario(
        Reason.POST_ONLY_WOULD_CROSS,
        new(0, BUY, 10, 1000, flags=ExecInst.POST_ONLY | ExecInst.REJECT_POST_ONLY),
        [new(1, SELL, 10, 1000)],
    ),
    Scenario(Reason.FOK_CANNOT_FILL, new(0, BUY, 11, 1000, tif=TimeInForce.FOK), [new(1, SELL, 10, 1000)]),
    Scenario(Reason.UNKNOWN_ORDER, build.cancel(0, cl_ord_id=5)),
]
"""In the order of the rulebook's ladder."""

DRAFT = build.draft(1, PERPETUAL)
LIST = build.directive(CommandKind.CONTRACT_LIST, contract_slot=1)


def unlistable(reason: Reason, *settings: tuple[P, int], mode: Mode = Mode.RESEARCH) -> Scenario:
    """A perpetual that is fine but for some parameters."""
    drafts = [*DRAFT, *(build.contract_set(1, code, value) for code, value in settings)]
    return Scenario(reason, LIST, drafts, mode=mode, contract={} if mode == Mode.EXCHANGE else PLAIN_CONTRACT)


SECOND_BRACKET = [
    build.contract_set(1, P.BRACKET_MMR_PPB, 60_000_000, 1),
    build.contract_set(1, P.BRACKET_LEVERAGE, 8, 1),
    build.contract_set(1, P.BRACKET_FLOOR_MICROS, 1_000_000_050, 1),
]
REFUSED_DIRECTIVES = [
    Scenario(Reason.BAD_COMMAND, build.command(99)),
    Scenario(Reason.BAD_COMMAND, build.command(CommandKind.LABEL)),
    Scenario(Reason.BAD_PARAMETER, account_set(0, A.RESTRICTION, 99)),
    Scenario(Reason.BAD_PARAMETER, build.contract_set(0, P.LOT_STEP, 3)),
    Scenario(Reason.BAD_AMOUNT, build.deposit(0, 0)),
    Scenario(Reason.BAD_AMOUNT, build.deposit(0, 1 << 60)),
    Scenario(Reason.ALREADY_EXISTS, build.directive(CommandKind.ACCOUNT_OPEN, account_slot=0)),
    Scenario(Reason.NOT_LISTED, build.contract_state(1, MarketState.HALTED), DRAFT),
    unlistable(Reason.BASE_NOT_ELIGIBLE, (P.BASE_ELIGIBLE, 0)),
    unlistable(Reason.BAD_UNIT, (P.MICROS_PER_TICK_LOT, 0)),
    Scenario(
        Reason.BAD_UNIT,
        build.directive(CommandKind.CONTRACT_LIST, contract_slot=0),
        build.draft(0, WITHOUT_MONEY),
        contract={},
        mode=Mode.EXCHANGE,
    ),
    Scenario(Reason.BAD_UNIT, build.contract_set(0, P.TAKER_FEE_PPB, 1), contract=WITHOUT_MONEY),
    Scenario(Reason.BAD_RANGE, build.contract_set(0, P.MAX_POSITION_LOTS, (1 << 56) + 1), contract=WITHOUT_MONEY),
    unlistable(Reason.BAD_RANGE, (P.MAX_POSITION_LOTS, 1 << 50)),
    unlistable(Reason.BAD_INTERVAL, (P.FUNDING_INTERVAL_S, 86_401)),
    unlistable(Reason.BAD_INTERVAL, (P.FUNDING_CAP_PPB, 1_000_000_001)),
    unlistable(Reason.BAD_INTERVAL, (P.FUNDING_CLAMP_PPB, 1_000_000_001)),
    unlistable(Reason.BAD_INTERVAL, (P.FUNDING_INTEREST_PPB, -1_000_000_001)),
    unlistable(Reason.BAD_BRACKETS, (P.BRACKET_LEVERAGE, 20)),
    Scenario(Reason.BAD_BRACKETS, LIST, [*DRAFT, *SECOND_BRACKET]),
    unlistable(Reason.THIN_INDEX, (P.SOURCE_WEIGHT, 0)),
    unlistable(Reason.SOURCE_WEIGHT_TOO_HIGH, (P.SOURCE_WEIGHT, (1 << 20) + 1)),
    unlistable(Reason.BAND_TOO_WIDE, (P.BAND_PPB, 49_500_001)),
    unlistable(Reason.MARK_CLAMP_TOO_WIDE, (P.MARK_CLAMP_PPB, 25_000_001)),
    unlistable(Reason.LIQUIDATION_FEE_TOO_HIGH, (P.LIQUIDATION_FEE_PPB, 49_500_001)),
    unlistable(Reason.FEES_NEGATIVE, (P.MAKER_FEE_PPB, -500_001)),
    unlistable(Reason.IMPACT_NOTIONAL_TOO_SMALL, (P.IMPACT_NOTIONAL_MICROS, 19_999_999_999)),
    unlistable(Reason.DISCLOSURE_VERSIONS_MISSING, (P.DISCLOSURE_LOSS, 0)),
    Scenario(
        Reason.RESEARCH_ONLY,
        build.directive(CommandKind.CONTRACT_LIST, contract_slot=0),
        build.draft(0, PLAIN_CONTRACT),
        contract={},
        mode=Mode.EXCHANGE,
    ),
]
GROUPED = (1, 1)
SELL_10 = new(1, SELL, 10, 1000)
ENDINGS = [
    Scenario(Reason.BY_CLIENT, build.cancel(1, cl_ord_id=5), [new(1, SELL, 10, 1000, cl_ord_id=5)]),
    Scenario(Reason.MASS_CANCEL, build.mass_cancel(1), [SELL_10]),
    Scenario(Reason.DISCONNECT, build.mass_cancel(1, reason=Reason.DISCONNECT), [SELL_10]),
    Scenario(Reason.NO_LIQUIDITY, new(0, BUY, 11), [SELL_10]),
    Scenario(Reason.IOC_REMAINDER, new(0, BUY, 11, 1000, tif=TimeInForce.IOC), [SELL_10]),
    Scenario(Reason.SELF_TRADE, new(0, BUY, 10, 1000), [SELL_10], groups=GROUPED),
    Scenario(
        Reason.OUT_OF_BAND,
        new(0, BUY, 10, 1040),
        [MARK, SELL_10, Reference(0, 1_040_000, 1_040_000)],
        contract=PERPETUAL,
    ),
    Scenario(
        Reason.EXPIRED,
        build.time(time_ns=START_NS + SECOND),
        [new(1, SELL, 10, 1000, tif=TimeInForce.GTD, expire_ns=START_NS + SECOND)],
    ),
    Scenario(Reason.REDUCE_ONLY_EXCESS, new(1, SELL, 4, 1000, **REDUCE), [*TRADE, new(1, SELL, 10, 1001, **REDUCE)]),
    Scenario(
        Reason.AMENDED_AWAY,
        build.amend(1, cl_ord_id=5, qty_lots=4),
        [new(1, SELL, 10, 1000, cl_ord_id=5), new(0, BUY, 4, 1000)],
    ),
    Scenario(Reason.ELIGIBILITY, restricted(Restriction.REDUCE_ONLY, 1), [SELL_10]),
    Scenario(Reason.ACCOUNT_SUSPENDED, restricted(Restriction.SUSPENDED, 1), [SELL_10]),
    Scenario(Reason.ACCOUNT_SUSPENDED, account_set(1, A.KILL_SWITCH, 1), [SELL_10]),
    Scenario(Reason.SANCTIONS, restricted(Restriction.FROZEN, 1), [SELL_10]),
    Scenario(Reason.KEY_REVOKED, build.key_revoked(1, 1), [SELL_10]),
    Scenario(Reason.MARKET_STATE, build.contract_state(0, MarketState.REDUCE_ONLY), [SELL_10]),
]
"""Why an order ends or shrinks although nobody refused it."""


def name(scenario: Scenario) -> str:
    """The scenario's name in the test report."""
    return scenario.reason.name


@pytest.mark.parametrize("scenario", REFUSED_ORDERS, ids=name)
def test_order_command_is_refused_and_changes_nothing(scenario: Scenario) -> None:
    pair = scenario.pair()
    before = state.parts(pair.root)
    refusals, seq = int(pair.root[0]["refusals"]), pair.seq
    reports = pair.send(scenario.last.copy())
    assert [(report["kind"], report["reason"]) for report in reports] == [(EventKind.REJECTED, scenario.reason)]
    assert state.changed(before, state.parts(pair.root)) == []
    assert (int(pair.root[0]["refusals"]), int(pair.root[0]["last_seq"])) == (refusals + 1, seq + 1)


@pytest.mark.parametrize("scenario", REFUSED_DIRECTIVES, ids=name)
def test_directive_is_refused_and_changes_nothing(scenario: Scenario) -> None:
    pair = scenario.pair()
    before = state.parts(pair.root)
    reports = pair.send(scenario.last.copy())
    assert [(report["kind"], report["reason"]) for report in reports] == [(EventKind.REFUSED, scenario.reason)]
    assert state.changed(before, state.parts(pair.root)) == []


@pytest.mark.parametrize("scenario", ENDINGS, ids=name)
def test_order_ends_with_its_reason(scenario: Scenario) -> None:
    reports = scenario.pair().send(scenario.last.copy())
    assert scenario.reason in [report["reason"] for report in reports]


AMENDED = [new(0, BUY, 10, 990, cl_ord_id=5)]
REFUSED_AMENDMENTS = [
    (Reason.UNKNOWN_ORDER, build.amend(0, cl_ord_id=6, qty_lots=5), AMENDED),
    (Reason.UNKNOWN_ORDER, build.amend(1, order_id=-33, qty_lots=5), AMENDED),
    (Reason.UNSUPPORTED_ORDER, build.amend(0, cl_ord_id=5, flags=ExecInst.POST_ONLY), AMENDED),
    (Reason.BAD_LOT, build.amend(0, cl_ord_id=5, qty_lots=-1), AMENDED),
    (Reason.BAD_TICK, build.amend(0, cl_ord_id=5, price_ticks=100_001), AMENDED),
    (Reason.QTY_TOO_LARGE, build.amend(0, cl_ord_id=5, qty_lots=1001), AMENDED),
    (Reason.MARKET_HALTED, build.amend(0, cl_ord_id=5, qty_lots=5), [*AMENDED, build.contract_state(0, 5)]),
    (Reason.POSITION_LIMIT, build.amend(0, cl_ord_id=5, qty_lots=1000), [*AMENDED, new(0, BUY, 1000, 989), ORDER]),
]


@pytest.mark.parametrize(("reason", "command", "before"), REFUSED_AMENDMENTS)
def test_amendment_is_refused_and_changes_nothing(pair: Pair, reason: Reason, command: Rows, before: Script) -> None:
    pair.play(copies(before))
    parts = state.parts(pair.root)
    reports = pair.send(command.copy())
    assert [(report["kind"], report["reason"]) for report in reports] == [(EventKind.REJECTED, reason)]
    assert state.changed(parts, state.parts(pair.root)) == []


GIVEN = {
    Reason.KYC_NOT_VALID: account_set(0, A.KYC_UNTIL_NS, build.FAR_NS),
    Reason.SCREENING_STALE: account_set(0, A.SCREENING_UNTIL_NS, build.FAR_NS),
    Reason.JURISDICTION_NOT_PERMITTED: account_set(0, A.JURISDICTION_PERMITTED, 1),
    Reason.NOT_PROFESSIONAL_INVESTOR: account_set(0, A.INVESTOR_CLASS, InvestorClass.INDIVIDUAL),
    Reason.PI_WITHDRAWN: account_set(0, A.PI_WITHDRAWN, 0),
    Reason.PI_EVIDENCE_MISSING: account_set(0, A.EVIDENCE_UNTIL_NS, START_NS),
    Reason.PI_EVIDENCE_EXPIRED: account_set(0, A.EVIDENCE_UNTIL_NS, build.FAR_NS),
    Reason.PI_CONFIRMATION_OVERDUE: account_set(0, A.CONFIRMATION_UNTIL_NS, build.FAR_NS),
    Reason.VA_KNOWLEDGE_REQUIRED: account_set(0, A.VA_KNOWLEDGE, 1),
    Reason.DERIVATIVES_KNOWLEDGE_REQUIRED: build.person(1),
    Reason.RISK_PROFILE_MISMATCH: account_set(0, A.RISK_PROFILE, 1),
    Reason.AGREEMENT_MISSING: account_set(0, A.AGREEMENT, 1),
    Reason.DISCLOSURE_NOT_ACKNOWLEDGED: account_set(0, A.DISCLOSURE_PRODUCT, 2),
    Reason.AFFILIATE_PROHIBITED: account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY),
    Reason.AFFILIATE_NOT_APPROVED: build.approval(0, 0, build.FAR_NS),
    Reason.AFFILIATE_ORDER_STYLE: build.directive(CommandKind.VENUE_SET, code=VenueParameter.AFFILIATE_POST_ONLY),
}
"""What makes good what rows 6 to 15 miss, one after the other."""
FLAWS: list[tuple[Reason, dict[str, int], Script]] = [
    (Reason.UNKNOWN_ACCOUNT, {"account_slot": 0}, []),
    (Reason.UNKNOWN_CONTRACT, {"contract_slot": 0}, []),
    (Reason.ACCOUNT_SUSPENDED, {}, [restricted(Restriction.NONE)]),
    (Reason.VENUE_HALTED, {}, [build.venue_state(VenueState.OPEN)]),
    (Reason.MARKET_HALTED, {}, [build.contract_state(0, MarketState.CANCEL_ONLY)]),
    (Reason.MARKET_CANCEL_ONLY, {}, [build.contract_state(0, MarketState.OPEN)]),
    *((reason, {}, [given]) for reason, given in GIVEN.items()),
    (Reason.UNSUPPORTED_ORDER, {"tif": TimeInForce.GTD}, []),
    (Reason.BAD_TICK, {"price_ticks": 1100}, []),
    (Reason.BAD_LOT, {"qty_lots": 2}, []),
    (Reason.BAD_EXPIRY, {"expire_ns": START_NS + SECOND}, []),
    (Reason.QTY_TOO_SMALL, {"qty_lots": 1002}, []),
    (Reason.QTY_TOO_LARGE, {"qty_lots": 1000}, []),
    (Reason.DUPLICATE_ID, {"cl_ord_id": 0}, []),
    (Reason.PRICE_OUT_OF_BAND, {"price_ticks": 1030}, []),
    (Reason.ORDER_VALUE_LIMIT, {}, [build.contract_set(0, P.MAX_ORDER_VALUE_MICROS, 0)]),
    (Reason.TOO_MANY_ORDERS, {}, [account_set(0, A.MAX_OPEN_ORDERS, 9)]),
    (Reason.POSITION_LIMIT, {}, [build.contract_set(0, P.MAX_POSITION_LOTS, 4000)]),
    (Reason.GROUP_POSITION_LIMIT, {}, [build.group_set(1, 0, 0)]),
    (Reason.EXPOSURE_LIMIT, {}, [account_set(0, A.MAX_EXPOSURE_MICROS, 0)]),
    (Reason.OPEN_INTEREST_CAP, {}, [build.contract_set(0, P.MAX_OPEN_INTEREST_LOTS, 0)]),
]
"""What the answer is, what of the order is mended then, and what of the venue."""


def test_first_failing_row_is_the_answer() -> None:
    """An order with every flaw at once loses them one by one: each answer is the next row of the ladder."""
    pair = Pair()
    pair.play(build.venue(2, contract=PERPETUAL | {P.MAX_ORDER_VALUE_MICROS: 50_000_000}))
    pair.play([MARK, new(1, SELL, 10, 1000), new(0, BUY, 10, 1000), new(0, SELL, 10, 1010, cl_ord_id=5, **REDUCE)])
    pair.play([build.contract_set(0, P.MAX_POSITION_LOTS, 1000)])
    pair.play([build.contract_set(0, P.MAX_OPEN_INTEREST_LOTS, 40), account_set(0, A.MAX_OPEN_ORDERS, 1)])
    pair.play([build.contract_state(0, MarketState.HALTED), build.venue_state(VenueState.HALTED)])
    pair.play([account_set(0, A.GROUP, 1), build.group_set(1, 0, 1), account_set(0, A.MAX_EXPOSURE_MICROS, 1)])
    pair.play([build.directive(CommandKind.VENUE_SET, code=VenueParameter.AFFILIATE_POST_ONLY, value=1)])
    pair.play([lacking[0].copy() for reason, lacking in LACKING if reason < Reason.AFFILIATE_NOT_APPROVED])
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, 0)])
    pair.play([restricted(Restriction.SUSPENDED)])
    row = new(9, BUY, 3, 200_000, contract_slot=7, tif=77, expire_ns=7, cl_ord_id=5)
    for reason, mended, elsewhere in FLAWS:
        assert [report["reason"] for report in pair.send(row.copy())] == [reason]
        for column, value in mended.items():
            row[column] = value
        pair.play(copies(elsewhere))
    assert pair.send(row)[0]["kind"] == EventKind.ACCEPTED


def test_every_reason_is_reached() -> None:
    reached = {scenario.reason for scenario in REFUSED_ORDERS + REFUSED_DIRECTIVES + ENDINGS} | REACHED
    reached |= {reason for _, reason in REFUSED_COLLATERAL}
    assert set(Reason) - reached == {Reason.NONE}


def test_scenarios_stand_in_the_order_of_the_ladder() -> None:
    flaws = [reason for reason, _, _ in FLAWS]
    assert [scenario.reason for scenario in REFUSED_ORDERS if scenario.reason in flaws] == flaws
