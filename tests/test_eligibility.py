"""Who may open risk: by class, at the boundaries of dates, and what happens to an account that no longer may."""

from dataclasses import replace

import numpy as np
import pytest

from engine import invariants
from engine.codes import AccountAttribute as A
from engine.codes import (
    Affiliation,
    CommandKind,
    EventKind,
    ExecInst,
    InvestorClass,
    OrdType,
    PriceSource,
    Reason,
    Restriction,
    VenueParameter,
)
from engine.codes import ContractParameter as P
from engine.schema import NOTICE
from tests import build, state
from tests.build import BUY, PERPETUAL, PLAIN_CONTRACT, SECOND, SELL, START_NS, account_set, new
from tests.model import Limits
from tests.pair import SMALL, Pair, Reference
from tests.stage import Stage

DAY = 86_400 * SECOND
REDUCE = {"flags": ExecInst.REDUCE_ONLY}
LAPSE_NS = START_NS + 100 * SECOND
STOP_LOSS = {"ord_type": OrdType.STOP_MARKET, "trigger_source": PriceSource.LAST, "flags": ExecInst.REDUCE_ONLY}
HOUSE = [
    account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY),
    build.approval(0, 0, LAPSE_NS, START_NS),
]
"""Account 0 belongs to a company of the operator's group and is approved for contract 0."""


def venue(accounts: int = 4, **contract: int) -> Pair:
    """Both engines with eligible accounts of individuals and one contract."""
    pair = Pair()
    pair.play(build.venue(accounts, contract=PLAIN_CONTRACT | {P[name]: value for name, value in contract.items()}))
    return pair


def answers(pair: Pair, *rows: build.Rows) -> list[Reason]:
    """The reason of each command's first report."""
    return [Reason(pair.send(row.copy())[0]["reason"]) for row in rows]


def told(reports: list[dict[str, int]], kind: EventKind) -> list[tuple[int, Reason]]:
    """(account, reason) of the reports of a kind."""
    return [(report["account_slot"], Reason(report["reason"])) for report in reports if report["kind"] == kind]


# --- classes ------------------------------------------------------------------------------------------------------

LIGHT = (InvestorClass.QUALIFIED_CORPORATE, InvestorClass.INSTITUTIONAL)
MISSING = {
    A.KYC_UNTIL_NS: (Reason.KYC_NOT_VALID, ()),
    A.SCREENING_UNTIL_NS: (Reason.SCREENING_STALE, ()),
    A.JURISDICTION_PERMITTED: (Reason.JURISDICTION_NOT_PERMITTED, ()),
    A.EVIDENCE_UNTIL_NS: (Reason.PI_EVIDENCE_MISSING, ()),
    A.CONFIRMATION_UNTIL_NS: (Reason.PI_CONFIRMATION_OVERDUE, ()),
    A.VA_KNOWLEDGE: (Reason.VA_KNOWLEDGE_REQUIRED, LIGHT),
    A.RISK_PROFILE: (Reason.RISK_PROFILE_MISMATCH, LIGHT),
    A.AGREEMENT: (Reason.AGREEMENT_MISSING, ()),
    A.DISCLOSURE_PRODUCT: (Reason.DISCLOSURE_NOT_ACKNOWLEDGED, ()),
    A.DISCLOSURE_LOSS: (Reason.DISCLOSURE_NOT_ACKNOWLEDGED, ()),
    A.DISCLOSURE_AFFILIATE: (Reason.DISCLOSURE_NOT_ACKNOWLEDGED, ()),
}
"""What is refused when an attribute is missing, and which classes are spared."""


@pytest.mark.parametrize("investor", list(InvestorClass)[1:], ids=lambda investor: investor.name)
@pytest.mark.parametrize("attribute", MISSING, ids=lambda attribute: attribute.name)
def test_each_rule_for_each_class(attribute: A, investor: InvestorClass) -> None:
    pair = venue(2, DISCLOSURE_PRODUCT=1, DISCLOSURE_LOSS=1, DISCLOSURE_AFFILIATE=1, AFFILIATE_PRESENT=1)
    reason, spared = MISSING[attribute]
    pair.play([account_set(0, A.INVESTOR_CLASS, investor), account_set(0, attribute, 0)])
    order = new(0, BUY, 1, 990)
    assert answers(pair, order) == [Reason.NONE if investor in spared else reason]
    pair.play([account_set(0, attribute, build.ELIGIBLE[attribute])])
    assert answers(pair, order) == [Reason.NONE]


@pytest.mark.parametrize("policy", [0, 1])
@pytest.mark.parametrize("investor", list(InvestorClass)[1:], ids=lambda investor: investor.name)
def test_derivatives_knowledge_is_of_the_person(investor: InvestorClass, policy: int) -> None:
    """The person who places the order must know, not the account; institutions are spared by the venue's policy."""
    pair = venue(2)
    switch = VenueParameter.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE
    pair.play([build.directive(CommandKind.VENUE_SET, code=switch, value=policy)])
    pair.play([account_set(0, A.INVESTOR_CLASS, investor), build.person(2, START_NS)])
    spared = policy == 1 and investor == InvestorClass.INSTITUTIONAL
    expected = Reason.NONE if spared else Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    orders = [new(0, BUY, 1, 990, person=person) for person in (1, 2, 7, -1, 1 << 20)]
    assert answers(pair, *orders) == [Reason.NONE, *[expected] * 4]


def test_an_account_nobody_has_checked_may_not_open() -> None:
    pair = venue(1)
    pair.play([build.directive(CommandKind.ACCOUNT_OPEN, account_slot=1, value=1), build.deposit(1, 1 << 40)])
    assert answers(pair, new(1, BUY, 1, 990)) == [Reason.KYC_NOT_VALID]


# --- dates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        (A.KYC_UNTIL_NS, Reason.KYC_NOT_VALID),
        (A.SCREENING_UNTIL_NS, Reason.SCREENING_STALE),
        (A.EVIDENCE_UNTIL_NS, Reason.PI_EVIDENCE_EXPIRED),
        (A.CONFIRMATION_UNTIL_NS, Reason.PI_CONFIRMATION_OVERDUE),
    ],
)
def test_valid_before_the_instant_and_not_at_it(attribute: A, reason: Reason) -> None:
    pair = venue(2)
    pair.play([account_set(0, attribute, LAPSE_NS)])
    before, at = (new(0, BUY, 1, 990, time_ns=instant) for instant in (LAPSE_NS - 1, LAPSE_NS))
    assert answers(pair, before) == [Reason.NONE]
    reports = pair.send(at)
    assert told(reports, EventKind.ELIGIBILITY_LAPSED) == [(0, reason)]
    assert told(reports, EventKind.CANCELLED) == [(0, reason)]
    assert told(reports, EventKind.REJECTED) == [(0, reason)]


def test_a_date_between_two_seconds_refuses_at_once_and_cancels_at_the_next_second() -> None:
    pair = venue(2)
    pair.play([account_set(0, A.KYC_UNTIL_NS, LAPSE_NS + 7), new(0, BUY, 1, 980, time_ns=LAPSE_NS)])
    reports = pair.send(new(0, BUY, 1, 990, time_ns=LAPSE_NS + 7))
    assert told(reports, EventKind.REJECTED) == [(0, Reason.KYC_NOT_VALID)]
    assert told(reports, EventKind.CANCELLED) == []
    reports = pair.send(build.time(time_ns=LAPSE_NS + SECOND))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.KYC_NOT_VALID)]


@pytest.mark.parametrize(
    "between",
    [
        account_set(0, A.GROUP, 3),
        account_set(0, A.KYC_UNTIL_NS, LAPSE_NS + DAY),
        account_set(0, A.PI_WITHDRAWN, 1),
        account_set(0, A.RESTRICTION, Restriction.REDUCE_ONLY),
        account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY),
    ],
    ids=("another attribute", "new evidence", "one more cause", "a restriction", "an affiliation"),
)
def test_a_command_between_the_date_and_its_lapse_does_not_swallow_it(between: build.Rows) -> None:
    """The date has passed, the lapse is still to come: a command on the account in between makes it come at once."""
    pair = venue(2)
    pair.play([account_set(0, A.KYC_UNTIL_NS, LAPSE_NS + 7), new(0, BUY, 1, 980), new(0, BUY, 1, 970)])
    pair.play([build.time(time_ns=LAPSE_NS + 7)])
    reports = pair.send(between.copy()) + pair.send(build.time(time_ns=LAPSE_NS + SECOND))
    assert (0, Reason.KYC_NOT_VALID) in told(reports, EventKind.ELIGIBILITY_LAPSED)
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.KYC_NOT_VALID)] * 2


@pytest.mark.parametrize("until_ns", [0, LAPSE_NS + DAY], ids=("withdrawn", "renewed"))
def test_an_approval_that_has_ended_ends_also_when_a_command_comes_first(until_ns: int) -> None:
    pair = venue(2)
    pair.play([HOUSE[0].copy(), build.approval(0, 0, LAPSE_NS + 7), new(0, BUY, 1, 980)])
    pair.play([build.time(time_ns=LAPSE_NS + 7)])
    reports = pair.send(build.approval(0, 0, until_ns)) + pair.send(build.time(time_ns=LAPSE_NS + SECOND))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.AFFILIATE_NOT_APPROVED)]


def test_an_overdue_lapse_and_what_the_command_cancels_need_room_for_both() -> None:
    """Two mass cancels may wait and one does: an overdue lapse beside a restriction is one too many."""
    pair = Pair(limits=replace(SMALL, jobs=2, orders=400))
    pair.play(build.venue(3, contract=PLAIN_CONTRACT))
    pair.play([account_set(0, A.KYC_UNTIL_NS, LAPSE_NS + 7), new(0, BUY, 1, 980)])
    pair.play([new(1, BUY, 1, 100 + place) for place in range(250)])
    pair.play([build.time(time_ns=LAPSE_NS + 7), build.mass_cancel(1)])
    frozen = account_set(0, A.RESTRICTION, Restriction.FROZEN)
    assert told(pair.send(frozen.copy()), EventKind.REFUSED) == [(0, Reason.CAPACITY)]
    assert told(pair.send(account_set(2, A.RESTRICTION, Restriction.FROZEN)), EventKind.REFUSED) == []
    reports = [report for _ in range(4) for report in pair.send(build.time())]
    reports += pair.send(frozen.copy())
    assert told(reports, EventKind.ELIGIBILITY_LAPSED) == [(0, Reason.KYC_NOT_VALID)]


def test_the_audit_sees_an_order_that_outlives_standing_and_a_lapse_out_of_place() -> None:
    pair = venue(2)
    pair.play([new(0, BUY, 1, 980), account_set(1, A.EVIDENCE_UNTIL_NS, LAPSE_NS)])
    invariants.check(pair.root)
    pair.root["profiles"]["values"][0][0, A.AGREEMENT] = 0
    with pytest.raises(invariants.AuditError, match="opens_without_standing at slot 0"):
        invariants.check(pair.root)
    pair.root["profiles"]["values"][0][0, A.AGREEMENT] = 1
    pair.root["account_lapses"]["second"][0][1] += 1
    with pytest.raises(invariants.AuditError, match="lapse at slot -1"):
        invariants.check(pair.root)


def test_accounts_that_lapse_together_go_in_the_order_of_their_scheduling() -> None:
    pair = venue(4)
    pair.play([account_set(account, A.EVIDENCE_UNTIL_NS, LAPSE_NS) for account in (2, 0, 3)])
    pair.play([new(account, BUY, 1, 990) for account in range(4)])
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, LAPSE_NS)])
    reports = pair.send(build.time(time_ns=LAPSE_NS + DAY))
    assert [account for account, _ in told(reports, EventKind.ELIGIBILITY_LAPSED)] == [2, 3, 0]
    assert told(reports, EventKind.CANCELLED) == [(account, Reason.PI_EVIDENCE_EXPIRED) for account in (2, 3, 0)]


def test_a_date_moved_before_it_comes_does_not_act() -> None:
    pair = venue(2)
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, LAPSE_NS), new(0, BUY, 1, 990)])
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, LAPSE_NS + DAY)])
    assert pair.send(build.time(time_ns=LAPSE_NS)) == []
    assert told(pair.send(build.time(time_ns=LAPSE_NS + DAY)), EventKind.CANCELLED) != []


# --- what a lapse does -----------------------------------------------------------------------------------------------


def test_lapse_with_an_open_position() -> None:
    """What opens is cancelled with the cause, resting or waiting; what reduces stays, triggers, and can be added."""
    pair = venue(3)
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, LAPSE_NS)])
    pair.play([new(1, SELL, 10, 1000), new(0, BUY, 10, 1000)])
    pair.play([new(0, BUY, 5, 980), new(0, SELL, 5, 1020), new(0, SELL, 4, 1030, **REDUCE)])
    pair.play([new(0, BUY, 5, trigger_price_ticks=1050, ord_type=OrdType.STOP_MARKET, trigger_source=PriceSource.LAST)])
    pair.play([new(0, SELL, 10, trigger_price_ticks=900, **STOP_LOSS)])
    reports = pair.send(build.time(time_ns=LAPSE_NS))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.PI_EVIDENCE_EXPIRED)] * 3
    assert answers(pair, new(0, BUY, 1, 990), new(0, SELL, 3, 1040, **REDUCE)) == [
        Reason.PI_EVIDENCE_EXPIRED,
        Reason.NONE,
    ]
    pair.play([new(2, BUY, 20, 890)])
    reports = pair.play([new(1, SELL, 1, 890), build.time()])
    assert [report["kind"] for report in reports if report["account_slot"] == 0] != []
    assert pair.model.position(0, 0).size == 0


def test_conditional_order_of_a_person_who_may_no_longer_open() -> None:
    """Placed while its person knew derivatives: cancelled when that ends, before the trade that would trigger it."""
    pair = venue(3)
    pair.play([new(1, SELL, 1, 1000), new(2, BUY, 1, 1000), build.person(1, LAPSE_NS)])
    pair.play([new(0, BUY, 5, trigger_price_ticks=1010, ord_type=OrdType.STOP_MARKET, trigger_source=PriceSource.LAST)])
    pair.play([build.person(2), new(1, SELL, 9, 1010, person=2)])
    reports = pair.send(new(2, BUY, 1, 1010, person=2, time_ns=LAPSE_NS))
    reports += pair.send(build.time())
    assert told(reports, EventKind.TRIGGERED) == []
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.DERIVATIVES_KNOWLEDGE_REQUIRED)]


def test_two_racing_reduce_only_orders() -> None:
    """After a lapse two orders close the same position: together they never do more than close it."""
    pair = venue(3)
    pair.play([account_set(0, A.EVIDENCE_UNTIL_NS, LAPSE_NS), new(1, SELL, 10, 1000), new(0, BUY, 10, 1000)])
    pair.play([build.time(time_ns=LAPSE_NS), new(2, BUY, 30, 999)])
    pair.play([new(0, SELL, 10, 1005, **REDUCE), new(0, SELL, 8, 999, **REDUCE)])
    assert pair.model.position(0, 0).size == 2
    assert sum(order.leaves for order in pair.model.accounts[0].orders) == 2
    pair.play([new(0, SELL, 10, 999, **REDUCE)])
    assert pair.model.position(0, 0).size == 0
    assert answers(pair, new(0, SELL, 1, 999, **REDUCE)) == [Reason.REDUCE_ONLY_WOULD_INCREASE]


def test_withdrawal_of_consent_and_restoration() -> None:
    """Withdrawing acts at once; restoring lets the client open again and revives nothing."""
    pair = venue(2)
    pair.play([new(0, BUY, 5, 990)])
    reports = pair.send(account_set(0, A.PI_WITHDRAWN, 1))
    assert told(reports, EventKind.ELIGIBILITY_LAPSED) == [(0, Reason.PI_WITHDRAWN)]
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.PI_WITHDRAWN)]
    assert answers(pair, new(0, BUY, 5, 990)) == [Reason.PI_WITHDRAWN]
    assert told(pair.send(account_set(0, A.PI_WITHDRAWN, 0)), EventKind.ACCEPTED) == []
    assert pair.model.accounts[0].orders == []
    assert answers(pair, new(0, BUY, 5, 990)) == [Reason.NONE]


@pytest.mark.parametrize("attribute", [A.RESTRICTION, A.KILL_SWITCH], ids=lambda attribute: attribute.name)
def test_who_is_stopped_for_suspected_abuse_may_still_reduce(attribute: A) -> None:
    """What opens is cancelled with its cause, resting or waiting; what reduces stays, may be amended and added."""
    pair = venue(3)
    pair.play([new(1, SELL, 10, 1000), new(0, BUY, 10, 1000), new(0, BUY, 5, 980)])
    pair.play([new(0, BUY, 5, trigger_price_ticks=1050, ord_type=OrdType.STOP_MARKET, trigger_source=PriceSource.LAST)])
    pair.play([new(0, SELL, 4, 1030, cl_ord_id=9, **REDUCE), new(0, SELL, 10, trigger_price_ticks=900, **STOP_LOSS)])
    stopped = Restriction.SUSPENDED if attribute == A.RESTRICTION else 1
    reports = pair.send(account_set(0, attribute, stopped))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.ACCOUNT_SUSPENDED)] * 2
    orders = [new(0, BUY, 1, 990), new(0, SELL, 1, 1040), build.amend(0, cl_ord_id=9, price_ticks=1025)]
    expected = [Reason.ACCOUNT_SUSPENDED, Reason.ACCOUNT_SUSPENDED, Reason.NONE, Reason.NONE]
    assert answers(pair, *orders, new(0, SELL, 3, 1040, **REDUCE)) == expected
    pair.play([new(2, BUY, 4, 1025), new(2, BUY, 6, 890)])
    assert answers(pair, new(0, SELL, 6, 890, **REDUCE)) == [Reason.NONE]
    assert pair.model.position(0, 0).size == 0


@pytest.mark.parametrize("first", [A.RESTRICTION, A.REDUCING_STOPPED_UNTIL_NS], ids=lambda attribute: attribute.name)
def test_reducing_is_stopped_until_a_day_and_only_while_suspended(first: A) -> None:
    """Everything is cancelled, whichever comes first; at the instant the account may reduce again, and not open."""
    pair = venue(3)
    pair.play([new(1, SELL, 10, 1000), new(0, BUY, 10, 1000), new(0, SELL, 4, 1030, **REDUCE)])
    reducing = new(0, SELL, 1, 1040, **REDUCE)
    rows = [account_set(0, A.REDUCING_STOPPED_UNTIL_NS, LAPSE_NS), account_set(0, A.RESTRICTION, Restriction.SUSPENDED)]
    rows = rows if first == A.REDUCING_STOPPED_UNTIL_NS else rows[::-1]
    pair.play(rows[:1])
    assert answers(pair, reducing) == [Reason.NONE]
    reports = pair.send(rows[1])
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.ACCOUNT_SUSPENDED)] * 2
    assert answers(pair, reducing) == [Reason.ACCOUNT_SUSPENDED]
    pair.play([build.time(time_ns=LAPSE_NS - 1)])
    assert answers(pair, reducing) == [Reason.ACCOUNT_SUSPENDED]
    pair.play([build.time(time_ns=LAPSE_NS)])
    assert answers(pair, reducing, new(0, SELL, 1, 1040)) == [Reason.NONE, Reason.ACCOUNT_SUSPENDED]


def test_frozen_account_sees_only_that_it_is_restricted() -> None:
    pair = venue(2)
    pair.play([new(0, BUY, 5, 990), account_set(0, A.PI_WITHDRAWN, 1), account_set(0, A.KILL_SWITCH, 1)])
    pair.play([account_set(0, A.RESTRICTION, Restriction.FROZEN)])
    commands = [new(0, BUY, 5, 990), new(0, SELL, 5, 990, **REDUCE), build.amend(0, cl_ord_id=1, qty_lots=3)]
    commands += [build.cancel(0, cl_ord_id=1), build.mass_cancel(0)]
    assert set(answers(pair, *commands)) == {Reason.ACCOUNT_RESTRICTED}


def test_closing_an_account_traps_nobody() -> None:
    """Refused while there is a position that nobody could close any more; what is in a closed account is paid out."""
    stage = Stage(accounts=2)
    for account in (0, 1):
        stage.deposit(account, 10_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    closing = account_set(0, A.RESTRICTION, Restriction.CLOSED)
    stage.send(closing.copy())
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.HAS_POSITION]
    stage.order(1, BUY, 10, 2000)
    stage.order(0, SELL, 10, 2000, **REDUCE)
    stage.send(closing.copy())
    assert stage.of(EventKind.REFUSED) == []
    stage.send(build.deposit(0, 1))
    assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.UNKNOWN_ACCOUNT]
    stage.send(build.directive(CommandKind.WITHDRAW, account_slot=0, amount_micros=10_000_000_000))
    assert stage.cash(0) == 0


def test_lapsed_account_may_only_lower_leverage_and_withdraw_above_initial_margin() -> None:
    """Top-ups, funding and liquidation go on; leverage only goes down."""
    stage = Stage(accounts=2)
    for account in (0, 1):
        stage.deposit(account, 10_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=5))
    stage.send(account_set(0, A.PI_WITHDRAWN, 1))

    reports = stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=8))
    assert Reason(int(reports.view(NOTICE)["reason"][0])) == Reason.PI_WITHDRAWN
    reports = stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=4))
    assert reports["kind"][0] == EventKind.LEVERAGE_CHANGED
    reports = stage.send(build.directive(CommandKind.WITHDRAW, account_slot=0, amount_micros=5_001_000_000))
    assert Reason(int(reports.view(NOTICE)["reason"][0])) == Reason.WITHDRAWAL_LIMIT
    reports = stage.send(build.directive(CommandKind.WITHDRAW, account_slot=0, amount_micros=4_000_000_000))
    assert reports["kind"][0] == EventKind.CASH_CHANGED
    reports = stage.send(build.deposit(0, 1_000_000))
    assert reports["kind"][0] == EventKind.CASH_CHANGED


def test_only_a_person_who_may_open_raises_leverage() -> None:
    """The change is made as the person whose key it came with; lowering it is open to all who hold a key."""
    stage = Stage(accounts=1)
    stage.deposit(0, 10_000)
    stage.index(2000)

    def set_leverage(value: int, person: int) -> list[Reason]:
        fields = {"account_slot": 0, "contract_slot": 0, "value": value, "person": person}
        stage.send(build.directive(CommandKind.SET_LEVERAGE, **fields))
        return [Reason(row["reason"]) for row in stage.of(EventKind.REFUSED)]

    stage.send(build.person(2, stage.now_ns))
    assert set_leverage(5, 2) == []
    for person in (0, 2, 3, -1, 1 << 20):
        assert set_leverage(6, person) == [Reason.DERIVATIVES_KNOWLEDGE_REQUIRED]
    assert set_leverage(6, 1) == [] and set_leverage(4, 2) == []
    stage.send(account_set(0, A.DISCLOSURE_LOSS, 0))
    assert set_leverage(6, 1) == [Reason.DISCLOSURE_NOT_ACKNOWLEDGED] and set_leverage(3, 1) == []
    stage.send(account_set(0, A.DISCLOSURE_LOSS, 1), account_set(0, A.INVESTOR_CLASS, 4))
    assert set_leverage(6, 2) == [], "an institution's persons are spared, as with orders"


def test_leverage_cap_of_an_account() -> None:
    stage = Stage(accounts=2)
    stage.deposit(0, 10_000)
    stage.index(2000)
    stage.send(account_set(0, A.MAX_LEVERAGE, 5))
    assert Reason(int(stage.order(0, BUY, 1, 2000)["reason"][0])) == Reason.LEVERAGE_LIMIT
    too_high = stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=6))
    assert Reason(int(too_high.view(NOTICE)["reason"][0])) == Reason.LEVERAGE_LIMIT
    stage.send(build.directive(CommandKind.SET_LEVERAGE, account_slot=0, contract_slot=0, value=5))
    assert Reason(int(stage.order(0, BUY, 1, 2000)["reason"][0])) == Reason.NONE


# --- disclosures --------------------------------------------------------------------------------------------------


def test_a_new_version_of_a_disclosure_stops_who_has_not_acknowledged_it() -> None:
    """Orders that open are cancelled with the cause in that contract alone; who has acknowledged keeps them."""
    pair = venue(3)
    pair.play(build.listed(1, PLAIN_CONTRACT))
    pair.play([account_set(1, A.DISCLOSURE_PRODUCT, 2)])
    pair.play([new(account, BUY, 5, 990, contract_slot=slot) for account in (0, 1) for slot in (0, 1)])
    reports = pair.send(build.contract_set(0, P.DISCLOSURE_PRODUCT, 2))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.DISCLOSURE_NOT_ACKNOWLEDGED)]
    orders = [new(0, BUY, 5, 990), new(0, BUY, 5, 990, contract_slot=1), new(1, BUY, 5, 990)]
    assert answers(pair, *orders) == [Reason.DISCLOSURE_NOT_ACKNOWLEDGED, Reason.NONE, Reason.NONE]


# --- affiliates ---------------------------------------------------------------------------------------------------


def test_operator_and_custodian_never_trade() -> None:
    for affiliation in (Affiliation.OPERATOR, Affiliation.CUSTODY):
        pair = venue(2)
        pair.play([new(0, BUY, 5, 990)])
        reports = pair.send(account_set(0, A.AFFILIATION, affiliation))
        assert told(reports, EventKind.CANCELLED) == [(0, Reason.AFFILIATE_PROHIBITED)]
        assert answers(pair, new(0, BUY, 5, 990)) == [Reason.AFFILIATE_PROHIBITED]
        refused = pair.send(build.approval(0, 0, LAPSE_NS))
        assert told(refused, EventKind.REFUSED) == [(0, Reason.BAD_PARAMETER)]


def test_group_company_trades_only_within_its_approval() -> None:
    """For this contract, from its first instant until before its last; then its opening orders are cancelled."""
    pair = venue(2)
    pair.play(build.listed(1, PLAIN_CONTRACT))
    pair.play([HOUSE[0].copy(), build.approval(0, 0, LAPSE_NS, START_NS + SECOND)])
    order = new(0, BUY, 5, 990)
    assert answers(pair, order) == [Reason.AFFILIATE_NOT_APPROVED]
    pair.play([build.time(time_ns=START_NS + SECOND)])
    assert answers(pair, order, new(0, BUY, 5, 990, contract_slot=1)) == [Reason.NONE, Reason.AFFILIATE_NOT_APPROVED]
    reports = pair.send(build.time(time_ns=LAPSE_NS))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.AFFILIATE_NOT_APPROVED)]
    assert answers(pair, order) == [Reason.AFFILIATE_NOT_APPROVED]


def test_an_approval_does_not_outlive_the_affiliation_that_it_was_for() -> None:
    """A company that left the group and comes back is approved anew."""
    pair = venue(2)
    pair.play([row.copy() for row in HOUSE])
    pair.play([account_set(0, A.AFFILIATION, Affiliation.CLIENT), HOUSE[0].copy()])
    assert answers(pair, new(0, BUY, 5, 990)) == [Reason.AFFILIATE_NOT_APPROVED]
    pair.play([HOUSE[1].copy()])
    assert answers(pair, new(0, BUY, 5, 990)) == [Reason.NONE]


def test_approval_withdrawn_acts_at_once() -> None:
    pair = venue(2)
    pair.play([row.copy() for row in HOUSE])
    pair.play([new(0, BUY, 5, 990)])
    reports = pair.send(build.approval(0, 0, 0))
    assert told(reports, EventKind.CANCELLED) == [(0, Reason.AFFILIATE_NOT_APPROVED)]


# --- groups -------------------------------------------------------------------------------------------------------


def test_group_limit_adds_up_the_worst_case_of_each_account() -> None:
    """Long in one account and short in another do not net: each counts with all its orders of the worse side."""
    pair = venue(4)
    pair.play([account_set(account, A.GROUP, 3) for account in (0, 1, 2)])
    pair.play([new(3, SELL, 10, 1000), new(0, BUY, 10, 1000), new(1, SELL, 5, 1010), new(1, BUY, 9, 980)])
    pair.play([build.group_set(3, 0, 30)])
    assert answers(pair, new(2, BUY, 12, 970)) == [Reason.GROUP_POSITION_LIMIT]
    assert answers(pair, new(2, BUY, 11, 970)) == [Reason.NONE]
    assert answers(pair, new(0, SELL, 10, 1020)) == [Reason.NONE]
    assert answers(pair, new(0, SELL, 1, 1020)) == [Reason.GROUP_POSITION_LIMIT]
    pair.play([account_set(2, A.GROUP, 0)])
    assert answers(pair, new(0, SELL, 1, 1020)) == [Reason.NONE]


def test_group_is_full() -> None:
    pair = Pair(limits=pair_limits(80))
    pair.play([build.directive(CommandKind.ACCOUNT_OPEN, account_slot=slot) for slot in range(65)])
    reports = pair.play([account_set(slot, A.GROUP, 5) for slot in range(65)])
    assert told(reports, EventKind.REFUSED) == [(64, Reason.CAPACITY)]


def pair_limits(accounts: int) -> Limits:
    """Limits with room for more accounts."""
    return replace(SMALL, accounts=accounts)


def test_refused_directives_change_nothing() -> None:
    pair = venue(2)
    bad = [
        account_set(0, A.AFFILIATION, 4),
        account_set(0, A.MAX_LEVERAGE, 1_000_001),
        account_set(0, max(A) + 1, 1),
        build.group_set(0, 0, 5),
        build.group_set(8, 0, 5),
        build.group_set(1, 3, 5),
        build.approval(0, 0, LAPSE_NS),
        build.approval(9, 0, LAPSE_NS),
    ]
    before = state.parts(pair.root)
    for row in bad:
        reports = pair.send(row)
        assert [report["kind"] for report in reports] == [EventKind.REFUSED]
    assert state.changed(before, state.parts(pair.root)) == []


def test_eligible_order_of_a_perpetual_passes_with_everything_required() -> None:
    pair = Pair()
    pair.play(build.venue(2, contract=PERPETUAL | {P.AFFILIATE_PRESENT: 1, P.DISCLOSURE_AFFILIATE: 1}))
    pair.play([Reference(0, 1_000_000, 1_000_000)])
    assert answers(pair, new(0, BUY, 10, 990)) == [Reason.NONE]
    assert np.all(pair.root[0]["accounts"]["gate"][:2] == 1)
