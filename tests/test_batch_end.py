"""What must hold at the end of a batch: a seeded fault of each kind stops the engine for good, with its figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import batch_end, invariants, step
from engine.codes import CommandKind, EventKind, Mode, Side, TimeInForce, Violation
from engine.codes import ContractParameter as P
from engine.host import BrokenError, Engine, JournalOptions, JournalReader, SnapshotError, create, digest, restore
from engine.schema import COMMAND, EVENT, NOTED_ROWS, SMALL
from tests import build
from tests.stage import MICROS, WORKED, Stage

LONG, SHORT, THIRD = 0, 1, 2
FREE = WORKED | {P.LIQUIDATION_ENABLED: 1}


def traded() -> Stage:
    """Two accounts with a position of ten lots at 2000, and a book around it."""
    stage = Stage(contracts=(FREE,), accounts=4)
    stage.fund(1000)
    for account in (LONG, SHORT, THIRD):
        stage.deposit(account, 100_000)
    stage.index(2000)
    stage.order(LONG, Side.BUY, 10, 2000)
    stage.order(SHORT, Side.SELL, 10, 2000)
    stage.order(THIRD, Side.BUY, 5, 1990)
    stage.order(THIRD, Side.SELL, 5, 2010)
    assert stage.size(LONG) == 10
    return stage


def trade(stage: Stage) -> None:
    """The two go on trading: rows of both change."""
    stage.send(build.new(LONG, Side.BUY, 1, 2000), build.new(SHORT, Side.SELL, 1, 2000))


def let_time_pass(stage: Stage) -> None:
    """A command that changes nothing."""
    stage.send(build.time())


def tick(stage: Stage) -> None:
    """The next mark tick, which counts all rows."""
    stage.pass_time(1)


def rest(stage: Stage) -> None:
    """An order comes to the book."""
    stage.order(THIRD, Side.BUY, 1, 1980)


def pay_in(stage: Stage) -> None:
    """Money comes to an account."""
    stage.deposit(LONG, 1)


Field = tuple[str, int, str, int]
"""Array, row, field, what is added."""
SEEDED: list[tuple[Violation, list[Field], Callable[[Stage], None], str]] = [
    (Violation.FUND_NEGATIVE, [("", 0, "fund_micros", -1001 * MICROS)], let_time_pass, "has -1,000,000 micros"),
    (Violation.CASH_NOT_CONSERVED, [("", 0, "fund_micros", 1)], let_time_pass, "301,000,000,001 micros, deposits"),
    (Violation.CASH_NOT_CONSERVED, [("", 0, "fees_micros", -1)], let_time_pass, "300,999,999,999 micros"),
    (Violation.CASH_NOT_CONSERVED, [("accounts", LONG, "cash_micros", 1)], tick, "301,000,000,001 micros"),
    (Violation.CASH_NOT_CONSERVED, [("positions", 0, "entry_cost_micros", 1)], tick, "300,999,999,999 micros"),
    (Violation.CASH_NOT_CONSERVED, [("positions", 1, "isolated_micros", 3)], tick, "301,000,000,003 micros"),
    (Violation.COLLATERAL_NOT_CONSERVED, [("collateral", 1, "fund_units", 5)], let_time_pass, "have 5 units of ETH, 0"),
    (Violation.LIVE_ORDERS, [("accounts", LONG, "open_orders", 1)], tick, "list 3 open orders, 2 are in use"),
    (Violation.POOL, [("", 0, "orders_live", 1)], let_time_pass, "of the orders "),
    (Violation.POOL, [("", 0, "levels_live", 100)], let_time_pass, "of the price levels 102 are in use"),
    (Violation.POOL, [("", 0, "nodes_free_slot", 3)], let_time_pass, "of the ladder nodes "),
    (Violation.BOOK_CROSSED, [("ladders", 1, "first_key", -20)], rest, "best bid at 1,990 ticks and its best ask at "),
    (Violation.POSITIONS_DO_NOT_CANCEL, [("positions", 0, "size_lots", 1)], tick, "contract 0 sum to 1 lots"),
    (Violation.OPEN_INTEREST, [("contracts", 0, "open_interest_lots", 2)], tick, "10 lots, its open interest says 12"),
    (Violation.OPEN_INTEREST, [("contracts", 0, "open_interest_lots", -5)], trade, "11 lots, its open interest says 6"),
    (Violation.REDUCE_ONLY_EXCESS, [("positions", 0, "reduce_only_lots", 99)], trade, "has 99 lots of reduce-only "),
    (Violation.OPEN_SUMS, [("positions", 0, "buy_lots", 4)], trade, "position 0 counts 4 lots to buy and 0"),
    (Violation.OPEN_SUMS, [("positions", 0, "loss_subtick_lots", -4)], trade, "position 0 counts"),
    (
        Violation.EQUITY_NEGATIVE,
        [("accounts", LONG, "cash_micros", -100_002 * MICROS), ("", 0, "fees_micros", 100_002 * MICROS)],
        pay_in,
        "account 0 has -1,000,000 micros of equity",
    ),
    (
        Violation.CASH_NEGATIVE_WITHOUT_POSITION,
        [
            ("accounts", 3, "cash_micros", -2 * MICROS),
            ("", 0, "fees_micros", 2 * MICROS),
            ("accounts", 3, "liquidating", 1),
        ],
        lambda stage: stage.deposit(3, 1),
        "account 3 owes -1,000,000 micros",
    ),
]


def corrupt(root: Any, faults: list[Field]) -> None:
    """Add to fields of the state."""
    for array, row, field, change in faults:
        if array:
            root[array][field][0, row] += change
        else:
            root[field] += change


@pytest.mark.parametrize(("violation", "faults", "then", "figures"), SEEDED, ids=lambda item: getattr(item, "name", ""))
def test_a_seeded_fault_stops_the_engine(
    violation: Violation, faults: list[Field], then: Callable[[Stage], None], figures: str
) -> None:
    stage = traded()
    corrupt(stage.root, faults)
    if violation in (Violation.EQUITY_NEGATIVE, Violation.CASH_NEGATIVE_WITHOUT_POSITION):
        stage.adopt()
    with pytest.raises(batch_end.InvariantError) as caught:
        then(stage)
    assert caught.value.violation == violation and figures in caught.value.figures, caught.value
    assert caught.value.last_seq == stage.seq
    before = digest(stage.root)
    with pytest.raises(batch_end.InvariantError, match=violation.name.lower()):
        let_time_pass(stage)
    assert digest(stage.root) == before, "a stopped engine does nothing any more"


FEES = WORKED | {P.TAKER_FEE_PPB: 500_000, P.MAKER_FEE_PPB: 200_000, P.BAND_PPB: 40_000_000}


MINUTELY = FREE | {P.FUNDING_INTERVAL_S: 60, P.SAMPLE_INTERVAL_S: 1}


def test_trades_with_fees_add_up() -> None:
    """Opened, cut, flipped and closed to nothing, with orders that end in every way."""
    stage = Stage(contracts=(FEES,), accounts=4)
    for account in (LONG, SHORT, THIRD):
        stage.deposit(account, 100_000)
    stage.index(2000)
    for buyer, seller, lots, price in ((LONG, SHORT, 10, 2000), (THIRD, LONG, 3, 2007), (THIRD, LONG, 9, 1995)):
        stage.order(buyer, Side.BUY, lots, price)
        stage.order(seller, Side.SELL, lots + 2, price, tif=TimeInForce.IOC)
    stage.order(LONG, Side.BUY, 2, 2000)
    stage.order(THIRD, Side.SELL, 4, 2000)
    stage.send(build.mass_cancel())
    stage.pass_time(1)
    assert (stage.size(LONG), stage.size(SHORT), stage.size(THIRD)) == (0, -10, 10)
    invariants.check(stage.root)


def test_every_invariant_of_a_batch_has_its_seeded_fault() -> None:
    """ENTRY_COST_WITHOUT_POSITION takes a ledger that is wrong: `tests/mutants_of_checks.py` has one."""
    seeded = {violation for violation, *_ in SEEDED} | {Violation.ENTRY_COST_WITHOUT_POSITION}
    assert seeded == set(batch_end.FIGURES)


def test_the_row_at_fault_names_the_command_that_changed_it_last() -> None:
    stage = traded()
    lost = 200_000 * MICROS
    corrupt(stage.root, [("accounts", LONG, "cash_micros", -lost), ("", 0, "fees_micros", lost)])
    stage.adopt()
    rows = [build.time(), build.deposit(LONG, 1), build.time(), build.time()]
    with pytest.raises(batch_end.InvariantError) as caught:
        stage.send(*rows)
    first, fault = stage.seq - len(rows) + 1, caught.value
    assert (fault.first_seq, fault.seq, fault.last_seq) == (first, first + 1, stage.seq)
    assert f"commands {first} to {stage.seq}, one batch, the row last changed by command {first + 1}: " in str(fault)


def crossings(count: int) -> list[build.Rows]:
    """Trades of one lot between the two, to and fro."""
    rows = []
    for turn in range(count):
        buyer, seller = (LONG, SHORT) if turn % 2 else (SHORT, LONG)
        rows += [build.new(buyer, Side.BUY, 1, 2000), build.new(seller, Side.SELL, 1, 2000)]
    return rows


def test_more_changed_rows_than_the_list_has_places_are_counted_too() -> None:
    """A fee that was lost among them is missing at the end of the batch."""
    stage = traded()
    stage.send(*crossings(NOTED_ROWS))
    assert len(stage.of(EventKind.FILL)) == 2 * NOTED_ROWS > NOTED_ROWS
    invariants.check(stage.root)
    stage.root["totals"]["running"]["money_micros"] -= 1
    with pytest.raises(batch_end.InvariantError, match="cash_not_conserved"):
        stage.send(*crossings(NOTED_ROWS))


def test_the_rows_behind_the_list_are_left_to_the_next_tick() -> None:
    stage = traded()
    corrupt(stage.root, [("positions", 0, "reduce_only_lots", 99)])
    idle = [build.deposit(THIRD, 1) for _ in range(NOTED_ROWS)]
    stage.send(*idle, *crossings(1))
    with pytest.raises(batch_end.InvariantError, match="reduce_only_excess"):
        stage.send(*idle[2:], *crossings(1))


def test_a_command_that_pauses_is_looked_at_when_it_is_done() -> None:
    """Funding of forty positions pauses in the ring of the smallest size, when the fund has only paid so far."""
    accounts = 40
    stage = Stage(contracts=(MINUTELY,), accounts=accounts, ring_rows=128)
    for account in range(accounts):
        stage.deposit(account, 1000)
    stage.index(2000.123)
    for account in range(accounts):
        stage.order(account, Side.SELL if account < accounts // 2 else Side.BUY, 1, 2000)
    while not stage.history(EventKind.FUNDING_PAID):
        stage.index(2000.123)
    paid = [row["amount_micros"] for row in stage.history(EventKind.FUNDING_PAID)]
    assert len(paid) == accounts and paid[0] > 0 and paid[-1] < 0
    assert int(stage.state["fund_micros"]) == -sum(paid) > 0, "dust"


def test_a_maker_whose_money_is_gone_is_cancelled_before_it_owes() -> None:
    stage = traded()
    stage.order(LONG, Side.BUY, 10, 2080)
    account, left = stage.state["accounts"][LONG], 150 * MICROS
    stage.state["withdrawals_micros"] += int(account["cash_micros"]) - left
    account["cash_micros"] = left
    stage.adopt()
    stage.order(SHORT, Side.SELL, 5, 2080)
    assert [row["account_slot"] for row in stage.of(EventKind.CANCELLED)] == [LONG]


def test_account_numbers_that_were_left_out_are_not_counted() -> None:
    """Their rows are empty, and the first position is not theirs."""
    stage = traded()
    stage.send(*build.opened(40, amount_micros=0)[:-1])
    assert stage.state["accounts_used"] == 41
    stage.pass_time(1)
    trade(stage)


def test_what_other_hands_wrote_is_counted_anew() -> None:
    stage = traded()
    stage.root["accounts"]["cash_micros"][0, LONG] += 7
    stage.root["deposits_micros"] += 7
    assert batch_end.recount(stage.root)
    trade(stage)
    invariants.check(stage.root)
    stage.root["accounts"]["cash_micros"][0, LONG] += 7
    assert not batch_end.recount(stage.root)


def test_a_refused_command_and_a_copy_keep_the_totals() -> None:
    stage = traded()
    stage.root = stage.root.copy()
    stage.order(LONG, Side.BUY, 10**6, 2000)
    trade(stage)


# --- with a journal -----------------------------------------------------------------------------------------------


def open_accounts(engine: Engine) -> None:
    """A person, four accounts and their money."""
    rows = np.concatenate([build.person(1), *(row for account in range(4) for row in build.opened(account))])
    send(engine, rows)


def send(engine: Engine, *groups: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Submit some rows."""
    rows = np.concatenate(groups)
    rows["seq"] = engine.last_seq + 1 + np.arange(len(rows))
    rows["time_ns"] = build.START_NS
    return engine.submit(rows)


@pytest.mark.parametrize("threaded", [False, True])
def test_the_journal_has_the_batch_and_takes_no_other(tmp_path: Path, threaded: bool) -> None:
    engine = Engine.create(tmp_path / "journal", Mode.EXCHANGE, SMALL, JournalOptions(threaded=threaded))
    open_accounts(engine)
    seq = engine.last_seq
    engine.root["fund_micros"] = -1
    with pytest.raises(BrokenError, match=r"fund_negative after command \d+: the insurance fund has -1 micros; none"):
        send(engine, build.time())
    stage = engine.stage(1)
    stage.rows["seq"], stage.rows["kind"] = seq + 1, CommandKind.TIME
    for call in (lambda: send(engine, build.time()), lambda: stage.submit(1), engine.commit, engine.snapshot):
        with pytest.raises(BrokenError, match="fund_negative"):
            call()
    engine.close()
    reader = JournalReader(tmp_path / "journal")
    assert sum(len(rows) for rows in reader.batches()) == seq + 1
    again = Engine.open(tmp_path / "journal")
    assert again.last_seq == seq + 1 and again.root["fund_micros"][0] == 0, "the log alone leads to a sound state"
    again.close()


def test_the_quick_way_stops_too(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "journal", Mode.EXCHANGE, SMALL)
    open_accounts(engine)
    stage = engine.stage(4)
    engine.root["fees_micros"] += 1
    stage.rows["seq"], stage.rows["kind"] = engine.last_seq + 1 + np.arange(4), CommandKind.TIME
    with pytest.raises(BrokenError, match=r"cash_not_conserved after commands \d+ to \d+, one batch: accounts"):
        stage.submit(4)
    engine.close()


def test_a_snapshot_that_does_not_add_up_is_not_used(tmp_path: Path) -> None:
    """The journal is replayed from its beginning instead."""
    engine = Engine.create(tmp_path / "journal", Mode.EXCHANGE, SMALL)
    open_accounts(engine)
    engine.root["accounts"]["cash_micros"][0, 2] += 1
    snapshot = engine.snapshot()
    engine.close()
    with pytest.raises(SnapshotError, match="do not add up; delete it"):
        restore(snapshot)
    again = Engine.open(tmp_path / "journal")
    assert again.recovery.snapshot_seq == 0 and "do not add up" in again.recovery.ignored[0]
    again.close()


def test_totals_go_on_after_a_snapshot(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "journal", Mode.EXCHANGE, SMALL)
    open_accounts(engine)
    engine.snapshot()
    engine.close()
    again = Engine.open(tmp_path / "journal")
    send(again, build.deposit(1, 5))
    totals = again.root["totals"]["running"]
    assert int(totals["money_micros"][0]) == int(again.root["deposits_micros"][0]) > 0
    again.close()


def test_a_log_that_leads_to_a_fault_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay meets the same fault: here the ledger is broken before and after."""
    engine = Engine(create(SMALL, Mode.EXCHANGE))
    open_accounts(engine)
    engine.root["fund_micros"] = -5
    rows = build.time()
    rows["seq"] = engine.last_seq + 1
    with pytest.raises(BrokenError, match=r"the log leads to fund_negative after command .*`lionrock verify --audit`"):
        engine.feed(rows, lambda commands, events: None)


def test_apply_rows_consumes_nothing_once_it_has_stopped() -> None:
    stage = traded()
    stage.root["fund_micros"] = -1
    rows, ring = np.zeros(1, COMMAND), np.zeros(128, EVENT)
    rows["kind"], rows["seq"], rows["time_ns"] = CommandKind.TIME, stage.seq + 1, stage.now_ns
    with pytest.raises(batch_end.InvariantError):
        step.apply_batch(stage.root, rows, ring)
    assert int(stage.root["last_seq"][0]) == stage.seq + 1
    rows["seq"] += 1
    with pytest.raises(batch_end.InvariantError):
        step.apply_batch(stage.root, rows, ring)
    assert int(stage.root["last_seq"][0]) == stage.seq + 1
