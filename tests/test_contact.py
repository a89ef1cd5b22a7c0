"""However long the queue of cancellations: nothing trades that may not open any more, and what reduces still does."""

from dataclasses import dataclass

import numpy as np
import pytest

from engine import invariants
from engine.code_values import FLAG_TAKER
from engine.codes import AccountAttribute as A
from engine.codes import (
    CommandKind,
    EventKind,
    ExecInst,
    InvestorClass,
    MarketState,
    OrdType,
    Reason,
    Restriction,
    TimeInForce,
)
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests import build
from tests.build import BUY, SECOND, SELL, START_NS, account_set
from tests.stage import WORKED, Stage

OWNER, TAKER, OTHER = 0, 1, 2
"""Whose orders rest, who comes to take them, and who traded with the owner before."""
PERSON = 2
"""Who placed the owner's orders that open; person 1 placed everything else."""
END_NS = START_NS + 8 * SECOND
"""Before the index that `stage_of` gives is stale."""
REDUCE = {"flags": ExecInst.REDUCE_ONLY}
CONTRACT = WORKED | {P.AFFILIATE_PRESENT: 1, P.DISCLOSURE_AFFILIATE: 1, P.FUNDING_INTERVAL_S: 86_400}


def skip_knowledge(is_skipped: int) -> build.Rows:
    """Whether institutions are spared the knowledge of derivatives."""
    code = V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE
    return build.directive(CommandKind.VENUE_SET, code=code, value=is_skipped)


@dataclass(frozen=True)
class Event:
    """A way of losing the right to open: what was before, what ends it at once or when the clock says so, what
    restores it, and the cause."""

    name: str
    cause: Reason
    ends: tuple[build.Rows, ...] = ()
    before: tuple[build.Rows, ...] = ()
    restores: tuple[build.Rows, ...] = ()
    takes_reducing: bool = False


def eligible(attribute: A) -> build.Rows:
    """The attribute as an eligible account has it."""
    return account_set(OWNER, attribute, build.ELIGIBLE[attribute])


COMPANY = (
    build.directive(CommandKind.VENUE_SET, code=V.AFFILIATE_POST_ONLY, value=0),
    account_set(OWNER, A.AFFILIATION, 1),
)
APPROVED = build.approval(OWNER, 0, build.FAR_NS)
EVENTS = (
    Event(
        "evidence lapsed",
        Reason.PI_EVIDENCE_EXPIRED,
        before=(account_set(OWNER, A.EVIDENCE_UNTIL_NS, END_NS),),
        restores=(eligible(A.EVIDENCE_UNTIL_NS),),
    ),
    Event(
        "evidence lapsed within a second",
        Reason.PI_EVIDENCE_EXPIRED,
        before=(account_set(OWNER, A.EVIDENCE_UNTIL_NS, END_NS - SECOND // 2),),
        restores=(eligible(A.EVIDENCE_UNTIL_NS),),
    ),
    Event(
        "confirmation overdue",
        Reason.PI_CONFIRMATION_OVERDUE,
        before=(account_set(OWNER, A.CONFIRMATION_UNTIL_NS, END_NS),),
        restores=(eligible(A.CONFIRMATION_UNTIL_NS),),
    ),
    Event(
        "withdrawn",
        Reason.PI_WITHDRAWN,
        (account_set(OWNER, A.PI_WITHDRAWN, 1),),
        restores=(account_set(OWNER, A.PI_WITHDRAWN, 0),),
    ),
    Event(
        "no professional investor",
        Reason.NOT_PROFESSIONAL_INVESTOR,
        (account_set(OWNER, A.INVESTOR_CLASS, 0),),
        restores=(account_set(OWNER, A.INVESTOR_CLASS, 1),),
    ),
    Event(
        "frozen",
        Reason.SANCTIONS,
        (account_set(OWNER, A.RESTRICTION, Restriction.FROZEN),),
        restores=(account_set(OWNER, A.RESTRICTION, Restriction.NONE),),
        takes_reducing=True,
    ),
    Event(
        "suspended",
        Reason.ACCOUNT_SUSPENDED,
        (account_set(OWNER, A.RESTRICTION, Restriction.SUSPENDED),),
        restores=(account_set(OWNER, A.RESTRICTION, Restriction.NONE),),
    ),
    Event(
        "suspended, reducing too",
        Reason.ACCOUNT_SUSPENDED,
        (account_set(OWNER, A.RESTRICTION, Restriction.SUSPENDED),),
        before=(account_set(OWNER, A.REDUCING_STOPPED_UNTIL_NS, END_NS + SECOND),),
        restores=(account_set(OWNER, A.RESTRICTION, Restriction.NONE),),
        takes_reducing=True,
    ),
    Event(
        "only reducing",
        Reason.ELIGIBILITY,
        (account_set(OWNER, A.RESTRICTION, Restriction.REDUCE_ONLY),),
        restores=(account_set(OWNER, A.RESTRICTION, Restriction.NONE),),
    ),
    Event(
        "kill switch",
        Reason.ACCOUNT_SUSPENDED,
        (account_set(OWNER, A.KILL_SWITCH, 1),),
        restores=(account_set(OWNER, A.KILL_SWITCH, 0),),
    ),
    Event(
        "affiliation ended",
        Reason.ELIGIBILITY,
        (account_set(OWNER, A.AFFILIATION, 0),),
        before=(*COMPANY, APPROVED),
    ),
    Event(
        "approval ended",
        Reason.AFFILIATE_NOT_APPROVED,
        (build.approval(OWNER, 0, 0),),
        before=(*COMPANY, APPROVED),
        restores=(APPROVED,),
    ),
    Event(
        "approval lapsed",
        Reason.AFFILIATE_NOT_APPROVED,
        before=(*COMPANY, build.approval(OWNER, 0, END_NS)),
        restores=(APPROVED,),
    ),
    Event(
        "disclosure raised",
        Reason.DISCLOSURE_NOT_ACKNOWLEDGED,
        (build.contract_set(0, P.DISCLOSURE_LOSS, 2),),
        before=(account_set(TAKER, A.DISCLOSURE_LOSS, 2),),
        restores=(account_set(OWNER, A.DISCLOSURE_LOSS, 2),),
    ),
    Event(
        "disclosure raised by mistake",
        Reason.DISCLOSURE_NOT_ACKNOWLEDGED,
        (build.contract_set(0, P.DISCLOSURE_LOSS, 2),),
        before=(account_set(TAKER, A.DISCLOSURE_LOSS, 2),),
        restores=(build.contract_set(0, P.DISCLOSURE_LOSS, 1),),
    ),
    Event(
        "acknowledgement taken back",
        Reason.DISCLOSURE_NOT_ACKNOWLEDGED,
        (account_set(OWNER, A.DISCLOSURE_LOSS, 0),),
        restores=(account_set(OWNER, A.DISCLOSURE_LOSS, 1),),
    ),
    Event(
        "person's knowledge ended",
        Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,
        (build.person(PERSON, START_NS),),
        restores=(build.person(PERSON),),
    ),
    Event(
        "person's knowledge lapsed",
        Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,
        before=(build.person(PERSON, END_NS),),
        restores=(build.person(PERSON),),
    ),
    Event("key revoked", Reason.KEY_REVOKED, (build.key_revoked(OWNER, PERSON),)),
    Event(
        "institutions must know derivatives",
        Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,
        (skip_knowledge(0),),
        before=(account_set(OWNER, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL), build.person(PERSON, 0)),
        restores=(skip_knowledge(1),),
    ),
    Event(
        "no institution any more",
        Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,
        (account_set(OWNER, A.INVESTOR_CLASS, InvestorClass.INDIVIDUAL),),
        before=(account_set(OWNER, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL), build.person(PERSON, 0)),
    ),
    Event(
        "contract reduced",
        Reason.MARKET_STATE,
        (build.contract_state(0, MarketState.REDUCE_ONLY),),
        restores=(build.contract_state(0, MarketState.OPEN),),
    ),
    Event("all orders cancelled by the client", Reason.MASS_CANCEL, (build.mass_cancel(OWNER),), takes_reducing=True),
    Event(
        "the market's orders cancelled by the venue",
        Reason.MARKET_STATE,
        (build.mass_cancel(contract=0, side=SELL, reason=Reason.MARKET_STATE),),
        takes_reducing=True,
    ),
)


def stage_of(event: Event) -> Stage:
    """A market at 2000: the owner is long 10, reduces it by 4 at the best price, and has a stop for all of it."""
    stage = Stage((CONTRACT,), accounts=8)
    stage.send(build.person(PERSON), *(row.copy() for row in event.before))
    for account in range(8):
        stage.deposit(account, 50_000_000)
    stage.index(2000)
    stage.order(OTHER, SELL, 10, 2000)
    stage.order(OWNER, BUY, 10, 2000)
    stage.order(OWNER, SELL, 4, 2001, **REDUCE)
    stage.order(OWNER, SELL, 10, trigger_price_ticks=1900, ord_type=OrdType.STOP_MARKET, **REDUCE)
    return stage


def rows(*groups: build.Rows) -> list[build.Rows]:
    """Copies, since a stage numbers what it is given."""
    return [row.copy() for row in groups]


def opening(count: int) -> list[build.Rows]:
    """So many sell orders of one lot that open, and a conditional one; by somebody who may."""
    sells = [build.new(OWNER, SELL, 1, 2002 + place % 40, person=PERSON) for place in range(count)]
    return [*sells, build.new(OWNER, SELL, 1, trigger_price_ticks=1990, person=PERSON, ord_type=OrdType.STOP_MARKET)]


def owners_fills(stage: Stage, account: int = OWNER) -> tuple[int, int]:
    """(lots that opened, lots that reduced) of what an account had on the book."""
    fills = [fill for fill in stage.of(EventKind.FILL) if fill["account_slot"] == account]
    makers = [fill for fill in fills if not fill["flags"] & FLAG_TAKER]
    reducing = sum(fill["last_lots"] for fill in makers if fill["flags"] & ExecInst.REDUCE_ONLY)
    return sum(fill["last_lots"] for fill in makers) - reducing, reducing


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("count", [1, 65, 900])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_nothing_trades_that_may_not_open(event: Event, count: int, restored: bool) -> None:
    """Whoever takes at that instant gets what reduces, also when the right is back before the queue is worked off."""
    stage = stage_of(event)
    stage.send(*opening(count))
    assert [report["kind"] for report in stage.of(EventKind.ACCEPTED)] == [EventKind.ACCEPTED] * (count + 1)
    stage.now_ns = END_NS
    takers = [build.new(OTHER, BUY, 6, 2060, tif=TimeInForce.IOC, **REDUCE)]
    takers += [build.new(TAKER, BUY, count, 2060, tif=TimeInForce.IOC) for _ in range(2)]
    first = stage.send(*rows(*event.ends), *(rows(*event.restores) if restored else ()), *takers)
    stage.reports = np.concatenate([first, stage.settle()])
    assert owners_fills(stage) == (0, 0 if event.takes_reducing else 4)
    gone = [row for row in stage.of(EventKind.CANCELLED) if row["account_slot"] == OWNER]
    assert len([row for row in gone if not row["flags"] & ExecInst.REDUCE_ONLY]) == count + 1
    assert {row["reason"] for row in gone} == {event.cause}
    kept = stage.state["orders"][: stage.state["orders_used"]]
    assert np.count_nonzero(kept["order_id"]) == (0 if event.takes_reducing else 1)
    invariants.check(stage.root)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_order_that_is_to_be_cancelled_is_not_amended(event: Event) -> None:
    """Nobody saves an order from the queue by an amendment, and no amendment makes it trade."""
    stage = stage_of(event)
    stage.send(*opening(300))
    orders = [row["order_id"] for row in stage.of(EventKind.ACCEPTED)]
    stage.order(TAKER, BUY, 50, 2000)
    stage.now_ns = END_NS
    new_price = {"order_id": orders[290], "price_ticks": 2000, "person": 1}
    fewer = {"order_id": orders[291], "qty_lots": 1, "person": 1}
    stage.send(*rows(*event.ends, *event.restores), build.amend(OWNER, **new_price), build.amend(OWNER, **fewer))
    answers = [row for row in stage.of(EventKind.REJECTED) if row["order_id"] in orders]
    assert len(answers) == 2 and stage.of(EventKind.FILL) == []
    if event.restores:
        assert [row["reason"] for row in answers] == [Reason.UNKNOWN_ORDER] * 2
    stage.settle()
    assert stage.size(OWNER) == 10
    invariants.check(stage.root)


DATES = {
    A.KYC_UNTIL_NS: Reason.KYC_NOT_VALID,
    A.SCREENING_UNTIL_NS: Reason.SCREENING_STALE,
    A.EVIDENCE_UNTIL_NS: Reason.PI_EVIDENCE_EXPIRED,
    A.CONFIRMATION_UNTIL_NS: Reason.PI_CONFIRMATION_OVERDUE,
}


@pytest.mark.parametrize("attribute", [*DATES, None], ids=lambda attribute: attribute.name if attribute else "person")
def test_a_hundred_clients_at_one_midnight(attribute: A | None) -> None:
    """Each has one order, and each lapse is an item of work of its own: none of them trades."""
    stage, clients = Stage((CONTRACT,), accounts=104), range(3, 103)
    for account in range(104):
        stage.deposit(account, 1_000_000)
    stage.send(build.person(PERSON, END_NS if attribute is None else build.FAR_NS))
    if attribute is not None:
        stage.send(*(account_set(account, attribute, END_NS) for account in clients))
    stage.index(2000)
    stage.send(*(build.new(account, SELL, 1, 2001, person=PERSON) for account in clients))
    stage.now_ns = END_NS
    first = stage.send(build.new(TAKER, BUY, 100, 2001, tif=TimeInForce.FOK), build.new(TAKER, BUY, 100, 2001))
    stage.reports = np.concatenate([first, stage.settle()])
    assert stage.of(EventKind.FILL) == []
    assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.FOK_CANNOT_FILL]
    gone = stage.of(EventKind.CANCELLED)
    cause = DATES[attribute] if attribute else Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    assert sorted(row["account_slot"] for row in gone) == list(clients)
    assert {row["reason"] for row in gone} == {cause}
    invariants.check(stage.root)


def test_fill_or_kill_counts_none_of_what_is_to_be_cancelled() -> None:
    """Nor does an order of the taker's own group stop it that is gone already."""
    stage = Stage((CONTRACT,), accounts=4)
    stage.send(*(account_set(account, A.GROUP, 1) for account in (OWNER, TAKER)))
    for account in range(4):
        stage.deposit(account, 50_000_000)
    stage.index(2000)
    stage.send(*(build.new(OWNER, SELL, 1, 2001 + place % 9) for place in range(300)))
    stage.send(*(build.new(3, SELL, 1, 2005) for place in range(3)), account_set(OWNER, A.PI_WITHDRAWN, 1))
    whole = {"tif": TimeInForce.FOK, "self_trade": 1}
    stage.send(build.new(TAKER, BUY, 4, 2020, **whole), build.new(TAKER, BUY, 3, 2020, **whole))
    assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.FOK_CANNOT_FILL]
    assert stage.size(TAKER) == 3 and stage.size(3) == -3


def test_a_forced_taker_meets_none_either() -> None:
    """A liquidation's order passes over makers who may not open, at the very nanosecond at which that ends."""
    stage = Stage((CONTRACT,), accounts=4)
    for account, units in ((OWNER, 1_000_000), (TAKER, 2600), (OTHER, 1_000_000), (3, 1_000_000)):
        stage.deposit(account, units)
    stage.index(2000)
    stage.order(OTHER, SELL, 10, 2000)
    stage.order(TAKER, BUY, 10, 2000)
    stage.send(*(build.new(OWNER, BUY, 1, 1800) for _ in range(4)), build.new(3, BUY, 1, 1800))
    stage.send(account_set(OWNER, A.EVIDENCE_UNTIL_NS, stage.now_ns + SECOND // 2))
    for price in (1920, 1840, 1800):
        stage.index(price)
        stage.settle()
    assert stage.size(OWNER) == 0
    assert stage.size(3) == 1


def test_a_flagged_account_opens_nothing_before_its_round() -> None:
    """Two accounts are flagged at one tick: the first one's closing does not open more for the second."""
    stage = Stage((CONTRACT,), accounts=4)
    for account, units in ((OWNER, 2600), (TAKER, 2600), (OTHER, 1_000_000), (3, 1_000_000)):
        stage.deposit(account, units)
    stage.index(2000)
    stage.order(OTHER, SELL, 20, 2000)
    for account in (TAKER, OWNER):
        stage.order(account, BUY, 10, 2000)
    stage.send(*(build.new(TAKER, BUY, 1, 1800) for _ in range(3)), build.new(3, BUY, 2, 1800))
    for price in (1920, 1840, 1800):
        stage.index(price)
        stage.settle()
    assert stage.history(EventKind.LIQUIDATION_FLAGGED) != []
    bought = [fill for fill in stage.history(EventKind.FILL) if fill["side"] == BUY and fill["price_ticks"] == 1800]
    assert {fill["account_slot"] for fill in bought} == {3}
    gone = [row for row in stage.history(EventKind.CANCELLED) if row["account_slot"] == TAKER]
    assert [row["reason"] for row in gone] == [Reason.LIQUIDATION] * 3


def test_the_report_of_a_mass_cancel_counts_what_was_met_on_the_way() -> None:
    stage = Stage((CONTRACT,), accounts=4)
    for account in range(4):
        stage.deposit(account, 50_000_000)
    stage.index(2000)
    stage.send(*(build.new(OWNER, SELL, 1, 2001) for _ in range(200)))
    first = stage.send(build.mass_cancel(OWNER), build.new(TAKER, BUY, 200, 2001))
    stage.reports = np.concatenate([first, stage.settle()])
    assert stage.of(EventKind.FILL) == []
    assert [row["last_lots"] for row in stage.of(EventKind.MASS_CANCELLED)] == [200]


def test_who_amends_an_order_takes_it_over() -> None:
    """Also an order that waits for its trigger: from there on it stands and falls with the second person."""
    stage = Stage((CONTRACT,), accounts=4)
    for account in range(4):
        stage.deposit(account, 50_000_000)
    stage.index(2000)
    stage.send(build.person(PERSON))
    stop = {"trigger_price_ticks": 1990, "ord_type": OrdType.STOP_MARKET}
    stage.send(*(build.new(OWNER, SELL, 2, 2001 + place) for place in range(3)), build.new(OWNER, SELL, 2, **stop))
    ids = [row["order_id"] for row in stage.of(EventKind.ACCEPTED)]
    changes = ({"price_ticks": 2010}, {"qty_lots": 1}, {"price_ticks": 2000}, {"trigger_price_ticks": 1980})
    by = {"person": PERSON}
    stage.send(*(build.amend(OWNER, order_id=i, **by, **change) for i, change in zip(ids, changes, strict=True)))
    assert len(stage.of(EventKind.AMENDED)) == 4
    stage.send(build.key_revoked(OWNER, 1))
    assert stage.of(EventKind.CANCELLED) == []
    stage.send(build.key_revoked(OWNER, PERSON))
    assert [row["order_id"] for row in stage.of(EventKind.CANCELLED)] == ids
    assert stage.of(EventKind.KEY_REVOKED)[0]["person"] == PERSON
