"""What holds for a client holds for all its accounts: those it has, those it closes, and those it opens later."""

import pytest

from engine import invariants
from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from engine.codes import CommandKind, EventKind, ExecInst, InvestorClass, Reason, Restriction
from engine.codes import ContractParameter as P
from engine.schema import MAX_CLIENT_MEMBERS
from tests import build, state
from tests.build import BUY, SELL, account_set, client_set, new
from tests.model import Limits
from tests.pair import Pair, Reference
from tests.stage import Stage

OF_ONE = (1, 1, 1, 2)
"""Accounts 0 to 2 are client 1's, account 3 is client 2's."""
REDUCE = {"flags": ExecInst.REDUCE_ONLY}
PLAIN = build.PLAIN_CONTRACT | {P.MICROS_PER_TICK_LOT: 1000}


def venue(limits: Limits | None = None) -> Pair:
    """Four accounts of two clients and contract 0, whose mark is 1,000 ticks: a lot is worth one unit of money."""
    pair = Pair(limits, audited=True) if limits else Pair(audited=True)
    accounts = [row for slot, client in enumerate(OF_ONE) for row in build.opened(slot, client=client)]
    pair.play([build.person(1), *accounts, *build.listed(0, PLAIN), Reference(0, 1_000_000, 1_000_000)])
    return pair


def answers(pair: Pair, *rows: build.Rows) -> list[Reason]:
    """The reason of each command's refusal, NONE for one that was accepted."""
    refusals = (EventKind.REJECTED, EventKind.REFUSED)
    sent = [pair.send(row.copy()) for row in rows]
    return [Reason(next((row["reason"] for row in found if row["kind"] in refusals), 0)) for found in sent]


def told(reports: list[dict[str, int]], kind: EventKind) -> list[tuple[int, Reason]]:
    """(account, reason) of the reports of a kind."""
    return [(row["account_slot"], Reason(row["reason"])) for row in reports if row["kind"] == kind]


# --- the freeze ---------------------------------------------------------------------------------------------------


def test_a_freeze_takes_every_order_of_every_account_and_refuses_what_follows() -> None:
    pair = venue()
    pair.play([new(3, SELL, 10, 1000), new(0, BUY, 10, 1000), new(0, SELL, 4, 1010, **REDUCE)])
    pair.play([new(slot, BUY, 2, 980 + slot) for slot in range(4)])
    reports = pair.send(client_set(1, C.FROZEN, 1))
    assert sorted(told(reports, EventKind.CANCELLED)) == [
        (0, Reason.SANCTIONS), (0, Reason.SANCTIONS), (1, Reason.SANCTIONS), (2, Reason.SANCTIONS),
    ]  # fmt: skip
    orders = [new(slot, BUY, 2, 990) for slot in range(3)]
    closing = new(0, SELL, 4, 1000, **REDUCE)
    cancels = [build.cancel(slot, cl_ord_id=5) for slot in range(3)]
    assert answers(pair, *orders, closing, *cancels) == [Reason.ACCOUNT_RESTRICTED] * 7
    assert answers(pair, new(3, BUY, 2, 990)) == [Reason.NONE]
    pair.send(client_set(1, C.FROZEN, 0))
    assert answers(pair, *orders, closing) == [Reason.NONE] * 4


def test_an_account_opened_later_is_frozen_from_its_first_instant() -> None:
    """Also when every account that the client had at the freeze is closed by then."""
    pair = venue()
    closed = [account_set(slot, A.RESTRICTION, Restriction.CLOSED) for slot in range(3)]
    pair.play([client_set(1, C.FROZEN, 1), *closed])
    pair.play(build.opened(4, client=1))
    assert answers(pair, new(4, BUY, 2, 990)) == [Reason.ACCOUNT_RESTRICTED]
    pair.send(account_set(4, A.RESTRICTION, Restriction.NONE))
    assert answers(pair, new(4, BUY, 2, 990)) == [Reason.ACCOUNT_RESTRICTED]


def test_a_client_may_be_frozen_before_it_has_an_account() -> None:
    pair = venue()
    pair.play([client_set(5, C.FROZEN, 1), *build.opened(4, client=5)])
    assert answers(pair, new(4, BUY, 2, 990)) == [Reason.ACCOUNT_RESTRICTED]


def test_an_account_with_orders_that_is_bound_to_a_frozen_client_loses_them() -> None:
    pair = venue()
    pair.play([*build.opened(4), new(4, BUY, 2, 990), new(4, BUY, 2, 980), client_set(1, C.FROZEN, 1)])
    reports = pair.send(account_set(4, A.CLIENT, 1))
    assert told(reports, EventKind.CANCELLED) == [(4, Reason.SANCTIONS)] * 2
    assert answers(pair, new(4, BUY, 2, 990)) == [Reason.ACCOUNT_RESTRICTED]


def test_lifting_the_freeze_leaves_an_account_what_is_its_own() -> None:
    pair = venue()
    pair.play([account_set(1, A.RESTRICTION, Restriction.REDUCE_ONLY), client_set(1, C.FROZEN, 1)])
    pair.send(client_set(1, C.FROZEN, 0))
    assert answers(pair, new(0, BUY, 2, 990), new(1, BUY, 2, 990)) == [Reason.NONE, Reason.ACCOUNT_RESTRICTED]


def test_closing_an_account_is_no_way_out_for_its_money() -> None:
    """The case that was: one officer closes the frozen account, and its owner is paid out."""
    stage = Stage(accounts=0)
    money = {"account_slot": 0, "amount_micros": 1000}
    stage.send(build.directive(CommandKind.ACCOUNT_OPEN, account_slot=0, value=1), account_set(0, A.CLIENT, 1))
    stage.send(build.directive(CommandKind.DEPOSIT, **money), client_set(1, C.FROZEN, 1))
    stage.send(build.directive(CommandKind.DEPOSIT, **money))
    before = int(stage.root[0]["accounts"][0]["cash_micros"])
    assert before == 2000, "what arrives for a frozen client is recorded, and is frozen too"
    stage.send(account_set(0, A.RESTRICTION, Restriction.CLOSED))
    assert stage.root[0]["accounts"][0]["state"] == 2
    for _ in range(2):
        stage.send(build.directive(CommandKind.WITHDRAW, **money))
        assert [row["reason"] for row in stage.of(EventKind.REFUSED)] == [Reason.ACCOUNT_RESTRICTED]
    assert int(stage.root[0]["accounts"][0]["cash_micros"]) == before
    stage.send(client_set(1, C.FROZEN, 0))
    stage.send(build.directive(CommandKind.WITHDRAW, **money))
    assert int(stage.root[0]["accounts"][0]["cash_micros"]) == before - 1000


def test_a_freeze_of_one_account_is_not_closed_away_either() -> None:
    pair = venue()
    pair.send(account_set(0, A.RESTRICTION, Restriction.FROZEN))
    assert answers(pair, account_set(0, A.RESTRICTION, Restriction.CLOSED)) == [Reason.ACCOUNT_RESTRICTED]
    assert answers(pair, new(1, BUY, 2, 990)) == [Reason.NONE]
    lifted = account_set(0, A.RESTRICTION, Restriction.NONE)
    assert answers(pair, lifted, account_set(0, A.RESTRICTION, Restriction.CLOSED)) == [Reason.NONE] * 2


def test_a_freeze_waits_for_nothing_but_room_for_its_job() -> None:
    pair = venue(Limits(orders=400, accounts=16, positions=40, groups=8, persons=8, jobs=1, clients=8))
    pair.play([new(3, BUY, 1, 800 + i % 50) for i in range(150)])
    pair.send(build.mass_cancel(3))
    assert answers(pair, client_set(1, C.FROZEN, 1)) == [Reason.CAPACITY]
    assert answers(pair, client_set(1, C.FROZEN, 0), new(0, BUY, 1, 990)) == [Reason.NONE] * 2
    pair.play([build.time() for _ in range(3)])
    assert answers(pair, client_set(1, C.FROZEN, 1)) == [Reason.NONE]


@pytest.mark.parametrize("orders", [1, 65, 150])
def test_one_job_works_through_all_accounts_of_a_client(orders: int) -> None:
    pair = venue()
    pair.play([new(i % 3, BUY, 1, 800 + i % 50) for i in range(orders)] + [new(3, BUY, 1, 700)])
    reports = pair.send(client_set(1, C.FROZEN, 1))
    for _ in range(3):
        reports += pair.send(build.time())
    assert len(told(reports, EventKind.CANCELLED)) == orders
    assert int(pair.root[0]["orders_live"]) == 1 and int(pair.root[0]["jobs_count"]) == 0


def test_while_a_freeze_waits_in_the_queue_others_trade_on() -> None:
    """The job on a client's accounts takes nobody else's order on contact, however long it waits."""
    pair = venue()
    pair.play([new(i % 3, BUY, 1, 800 + i % 50) for i in range(150)] + [new(3, BUY, 1, 900), new(1, SELL, 1, 950)])
    pair.play([*build.opened(4, client=7), client_set(1, C.FROZEN, 1)])
    reports = pair.send(new(4, SELL, 1, 900))
    assert int(pair.root[0]["jobs_count"]) == 1, "the queue is not done"
    assert [row["account_slot"] for row in reports if row["kind"] == EventKind.FILL] == [3, 4]


# --- the kill switch and the exposure limit -----------------------------------------------------------------------


def test_the_kill_switch_of_a_client_stops_opening_on_all_its_accounts() -> None:
    pair = venue()
    pair.play([new(slot, BUY, 2, 980 + slot) for slot in range(4)])
    reports = pair.send(client_set(1, C.KILL_SWITCH, 1))
    assert sorted(told(reports, EventKind.CANCELLED)) == [(slot, Reason.ACCOUNT_SUSPENDED) for slot in range(3)]
    pair.play(build.opened(4, client=1))
    orders = [new(slot, BUY, 2, 990) for slot in (0, 1, 2, 4)]
    assert answers(pair, *orders, new(3, BUY, 2, 990)) == [*[Reason.ACCOUNT_SUSPENDED] * 4, Reason.NONE]
    pair.play([account_set(0, A.KILL_SWITCH, 1), client_set(1, C.KILL_SWITCH, 0)])
    assert answers(pair, *orders) == [Reason.ACCOUNT_SUSPENDED, *[Reason.NONE] * 3]


def test_a_clients_exposure_is_that_of_all_its_accounts_in_the_worst_case() -> None:
    pair = venue()
    pair.send(client_set(1, C.MAX_EXPOSURE_MICROS, 100 * 1_000_000))
    assert answers(pair, new(0, BUY, 40, 990), new(1, SELL, 40, 1010)) == [Reason.NONE] * 2
    assert answers(pair, new(2, BUY, 21, 980), new(2, BUY, 20, 980)) == [Reason.EXPOSURE_LIMIT, Reason.NONE]
    assert answers(pair, new(0, SELL, 40, 1020), new(3, BUY, 500, 980)) == [Reason.NONE] * 2
    assert answers(pair, new(0, SELL, 1, 1020)) == [Reason.EXPOSURE_LIMIT]
    pair.play(build.opened(4, client=1))
    assert answers(pair, new(4, BUY, 1, 970)) == [Reason.EXPOSURE_LIMIT]
    pair.send(client_set(1, C.MAX_EXPOSURE_MICROS, 0))
    assert answers(pair, new(4, BUY, 1, 970)) == [Reason.NONE]


def test_an_account_may_have_a_tighter_limit_than_its_client() -> None:
    pair = venue()
    pair.play([client_set(1, C.MAX_EXPOSURE_MICROS, 100_000_000), account_set(0, A.MAX_EXPOSURE_MICROS, 10_000_000)])
    assert answers(pair, new(0, BUY, 11, 990), new(0, BUY, 10, 990)) == [Reason.EXPOSURE_LIMIT, Reason.NONE]
    pair.send(account_set(0, A.MAX_EXPOSURE_MICROS, 500_000_000))
    assert answers(pair, new(0, BUY, 91, 990), new(0, BUY, 90, 990)) == [Reason.EXPOSURE_LIMIT, Reason.NONE]


def test_who_has_no_exposure_limit_by_class_has_none_by_client() -> None:
    pair = venue()
    pair.play([client_set(1, C.MAX_EXPOSURE_MICROS, 1), account_set(0, A.INVESTOR_CLASS, InvestorClass.INSTITUTIONAL)])
    assert answers(pair, new(0, BUY, 11, 990), new(1, BUY, 11, 990)) == [Reason.NONE, Reason.EXPOSURE_LIMIT]


# --- whose account it is ------------------------------------------------------------------------------------------


def test_an_account_is_bound_once_and_for_good() -> None:
    pair = venue()
    assert answers(pair, account_set(0, A.CLIENT, 2), account_set(0, A.CLIENT, 0)) == [Reason.BAD_PARAMETER] * 2
    assert answers(pair, account_set(0, A.CLIENT, 1)) == [Reason.NONE]
    assert int(pair.root[0]["clients"][1]["members"]) == 3
    assert answers(pair, account_set(9, A.CLIENT, 1)) == [Reason.UNKNOWN_ACCOUNT]


def test_a_closed_account_can_still_be_bound() -> None:
    pair = venue()
    pair.play([*build.opened(4), account_set(4, A.RESTRICTION, Restriction.CLOSED)])
    assert answers(pair, account_set(4, A.CLIENT, 1)) == [Reason.NONE]
    assert answers(pair, account_set(4, A.RESTRICTION, Restriction.NONE)) == [Reason.UNKNOWN_ACCOUNT]


def test_a_client_is_full() -> None:
    limits = Limits(orders=8, accounts=MAX_CLIENT_MEMBERS + 8, positions=8, groups=2, persons=2, jobs=2, clients=4)
    pair = Pair(limits)
    opened = [build.directive(CommandKind.ACCOUNT_OPEN, account_slot=slot) for slot in range(MAX_CLIENT_MEMBERS + 1)]
    reports = pair.play([*opened, *[account_set(slot, A.CLIENT, 1) for slot in range(MAX_CLIENT_MEMBERS + 1)]])
    assert told(reports, EventKind.REFUSED) == [(MAX_CLIENT_MEMBERS, Reason.CAPACITY)]


def test_refused_changes_of_a_client_change_nothing() -> None:
    pair = venue()
    refused = [
        client_set(0, C.FROZEN, 1),
        client_set(8, C.FROZEN, 1),
        client_set(-1, C.FROZEN, 1),
        client_set(1, 0, 1),
        client_set(1, 4, 1),
        client_set(1, C.FROZEN, 2),
        client_set(1, C.KILL_SWITCH, -1),
        client_set(1, C.MAX_EXPOSURE_MICROS, -1),
        account_set(0, A.CLIENT, 3),
    ]
    before = state.parts(pair.root)
    assert answers(pair, *refused) == [Reason.BAD_PARAMETER] * len(refused)
    assert state.changed(before, state.parts(pair.root)) == []


def test_the_audit_sees_what_is_not_in_force_and_who_is_not_listed() -> None:
    pair = venue()
    accounts, clients = pair.root[0]["accounts"], pair.root[0]["clients"]
    clients[1]["frozen"] = 1
    with pytest.raises(invariants.AuditError, match="not_in_force"):
        invariants.check(pair.root)
    clients[1]["frozen"] = 0
    accounts[2]["max_exposure_micros"] = 5
    with pytest.raises(invariants.AuditError, match="not_in_force at slot 2"):
        invariants.check(pair.root)
    accounts[2]["max_exposure_micros"] = accounts[1]["max_exposure_micros"]
    clients[1]["members"] = 2
    with pytest.raises(invariants.AuditError, match="client_members at slot 1"):
        invariants.check(pair.root)
