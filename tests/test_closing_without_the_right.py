"""Who may not open may still close: an order within the position is admitted as reduce-only."""

from typing import Any

import pytest

from engine import invariants
from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, EventKind, ExecInst, InvestorClass, OrdType, Reason, TimeInForce
from engine.codes import ContractParameter as P
from tests import build
from tests.build import BUY, SELL
from tests.stage import Stage
from tests.test_closing import MADE, REDUCES, SIZE, answer, holding, outcome, without_marks

LOSSES: dict[Reason, build.Rows] = {
    Reason.KYC_NOT_VALID: build.account_set(0, A.KYC_UNTIL_NS, 0),
    Reason.SCREENING_STALE: build.account_set(0, A.SCREENING_UNTIL_NS, 0),
    Reason.JURISDICTION_NOT_PERMITTED: build.account_set(0, A.JURISDICTION_PERMITTED, 0),
    Reason.NOT_PROFESSIONAL_INVESTOR: build.account_set(0, A.INVESTOR_CLASS, InvestorClass.NONE),
    Reason.PI_WITHDRAWN: build.account_set(0, A.PI_WITHDRAWN, 1),
    Reason.PI_EVIDENCE_MISSING: build.account_set(0, A.EVIDENCE_UNTIL_NS, 0),
    Reason.PI_EVIDENCE_EXPIRED: build.account_set(0, A.EVIDENCE_UNTIL_NS, build.START_NS),
    Reason.PI_CONFIRMATION_OVERDUE: build.account_set(0, A.CONFIRMATION_UNTIL_NS, 0),
    Reason.VA_KNOWLEDGE_REQUIRED: build.account_set(0, A.VA_KNOWLEDGE, 0),
    Reason.DERIVATIVES_KNOWLEDGE_REQUIRED: build.person(1, build.START_NS),
    Reason.RISK_PROFILE_MISMATCH: build.account_set(0, A.RISK_PROFILE, 0),
    Reason.AGREEMENT_MISSING: build.account_set(0, A.AGREEMENT, 0),
    Reason.DISCLOSURE_NOT_ACKNOWLEDGED: build.account_set(0, A.DISCLOSURE_LOSS, 0),
    Reason.AFFILIATE_PROHIBITED: build.account_set(0, A.AFFILIATION, Affiliation.OPERATOR),
    Reason.AFFILIATE_NOT_APPROVED: build.account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY),
}
"""What is lost, by the reason that it gives an order that opens."""
KYC = Reason.KYC_NOT_VALID
KINDS: list[dict[str, Any]] = [
    {"price": 0}, {"price": 999}, {"price": 999, "tif": TimeInForce.IOC}, {"price": 999, "tif": TimeInForce.FOK},
    {"price": 1010}, {"price": 1010, "flags": ExecInst.POST_ONLY},
    {"price": 1010, "flags": ExecInst.ICEBERG, "display_lots": 2},
    {"price": 0, "ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 990},
    {"price": 980, "ord_type": OrdType.STOP_LIMIT, "trigger_price_ticks": 990},
    {"price": 0, "ord_type": OrdType.TRAILING_STOP, "offset_ticks": 5},
]  # fmt: skip


def lapsed(reason: Reason = KYC) -> Stage:
    """Account 0 holds 14 lots with money enough, and may not open any more."""
    stage = holding(9000)
    stage.send(LOSSES[reason].copy())
    if reason == Reason.DERIVATIVES_KNOWLEDGE_REQUIRED:  # it was the knowledge of who bids, too
        stage.send(build.person(2))
        stage.order(1, BUY, 50, 999, person=2)
    return stage


@pytest.mark.parametrize("reason", LOSSES, ids=lambda reason: reason.name)
def test_whatever_was_lost_the_position_can_be_closed_with_plain_orders(reason: Reason) -> None:
    stage = lapsed(reason)
    stage.order(0, BUY, 1, 999)
    assert outcome(stage) == (reason, False), "it would open"
    stage.order(0, SELL, SIZE + 1, 1010)
    assert outcome(stage) == (reason, False), "one lot of it would open"
    stage.order(0, SELL, 4, 1010)
    assert outcome(stage) == (0, True)
    stage.order(0, SELL, SIZE - 3, 1010)
    assert outcome(stage) == (reason, False), "the resting order has its part"
    stage.order(0, SELL, SIZE - 4)
    assert outcome(stage) == (0, True) and stage.size(0) == 4


def test_an_affiliated_maker_closes_with_any_style() -> None:
    stage = Stage((build.PERPETUAL | {P.LOT_STEP: 1, P.MIN_ORDER_LOTS: 1},))
    for account in (0, 1):
        stage.deposit(account, 10_000_000)
    stage.index(1000)
    stage.send(build.account_set(0, A.AFFILIATION, Affiliation.GROUP_COMPANY), build.approval(0, 0, 1 << 62))
    stage.order(0, BUY, 4, 1000, flags=ExecInst.POST_ONLY)
    stage.order(1, SELL, 4, 1000)
    stage.order(1, BUY, 4, 999)
    stage.order(0, SELL, 5, 999)
    assert outcome(stage) == (Reason.AFFILIATE_ORDER_STYLE, False)
    stage.order(0, SELL, 4, 999)
    assert outcome(stage) == (0, True) and stage.size(0) == 0


@pytest.mark.parametrize("fields", KINDS, ids=str)
@pytest.mark.parametrize("qty", [SIZE, 3])
def test_it_is_the_reduce_only_order_that_the_client_could_have_sent(fields: dict[str, Any], qty: int) -> None:
    """The same reports and, but for the mark of who made it reduce-only, the same state; also once it has triggered."""
    twins = []
    for extra in (0, REDUCES):
        stage = lapsed()
        stage.order(0, SELL, qty, cl_ord_id=7, **(fields | {"flags": fields.get("flags", 0) | extra}))
        assert outcome(stage) == (0, not extra)
        stage.index(988)
        stage.settle()
        reports = [row | {"flags": row.get("flags", 0) & ~MADE} for row in stage.history(*EventKind)]
        twins.append((reports, without_marks(stage.root)))
        invariants.check(stage.root)
    assert twins[0] == twins[1]


@pytest.mark.parametrize(
    "fields", [{"price": 1010, "qty": 3}, *({**kind, "qty": SIZE} for kind in KINDS[7:9])], ids=str
)
def test_an_amendment_may_become_a_closing_order_and_then_it_takes_a_new_place(fields: dict[str, Any]) -> None:
    """What rests was placed by somebody who knows; who amends it does not."""
    stage, fields = holding(9000), dict(fields)
    stage.send(build.person(2, build.START_NS))
    qty = fields.pop("qty")
    stage.order(0, SELL, qty, cl_ord_id=1, **fields)
    stage.send(build.amend(0, cl_ord_id=1, qty_lots=SIZE + 1, person=2))
    assert outcome(stage) == (Reason.DERIVATIVES_KNOWLEDGE_REQUIRED, False)
    stage.send(build.amend(0, cl_ord_id=1, qty_lots=2, person=2))
    assert outcome(stage) == (0, True)
    stage.send(build.amend(0, cl_ord_id=1, qty_lots=1, person=2))
    assert answer(stage)["kind"] == EventKind.AMENDED and answer(stage)["flags"] & REDUCES
    waits = "trigger_price_ticks" in fields
    assert stage.position(0)["reduce_only_lots"] == (0 if waits else 1)
    stage.index(985)
    stage.settle()
    invariants.check(stage.root)
    assert stage.size(0) == (SIZE - 1 if fields["price"] != 1010 else SIZE)


def test_rows_before_the_sixth_are_not_softened() -> None:
    """A market that only lets positions be reduced asks for the flag, and so does a restriction to reducing."""
    for command, reason in (
        (build.contract_state(0, 3), Reason.MARKET_REDUCE_ONLY),
        (build.account_set(0, A.RESTRICTION, 1), Reason.ACCOUNT_RESTRICTED),
        (build.account_set(0, A.RESTRICTION, 3), Reason.ACCOUNT_RESTRICTED),
    ):
        stage = lapsed()
        stage.send(command)
        stage.order(0, SELL, 1, 1010)
        assert outcome(stage) == (reason, False)


def test_what_is_malformed_is_refused_and_changes_nothing() -> None:
    stage = lapsed()
    for fields in ({"side": 0}, {"side": 3}, {"qty": 0}, {"qty": -3}):
        stage.order(0, **({"side": SELL, "qty": 3, "price": 1010} | fields))
        assert outcome(stage) == (KYC, False), fields
    for fields, reason in (({"price": -1}, Reason.BAD_TICK), ({"flags": MADE}, Reason.UNSUPPORTED_ORDER),
                           ({"price": 900}, Reason.PRICE_OUT_OF_BAND)):  # fmt: skip
        stage.order(0, **({"side": SELL, "qty": 3, "price": 1010} | fields))
        assert answer(stage)["reason"] == reason, fields
    assert stage.position(0)["sell_lots"] == 0 and stage.state["orders_live"] == 1


def test_a_repeat_of_such_an_order_is_a_repeat() -> None:
    stage = lapsed()
    stage.order(0, SELL, 3, 1010, cl_ord_id=5)
    stage.order(0, SELL, 3, 1010, cl_ord_id=5)
    assert answer(stage)["kind"] == EventKind.REPEATED
    stage.order(0, SELL, 3, 1010, cl_ord_id=5, flags=REDUCES)
    assert answer(stage)["reason"] == Reason.DUPLICATE_ID
