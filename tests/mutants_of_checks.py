"""Ways to break the checks at the end of a batch, and ways to break money that these checks must stop.

Each is a patch of one place, with the tests that must fail, and what they must say.
"""

from dataclasses import dataclass

from tests.mutation import Mutant

BATCH_END = "tests/test_batch_end.py"
LIQUIDATION, COLLATERAL = "tests/test_liquidation.py", "tests/test_collateral.py"
TRADES = f"{BATCH_END}::test_trades_with_fees_add_up"
FUNDING = f"{BATCH_END}::test_a_command_that_pauses_is_looked_at_when_it_is_done"
SEEDED = f"{BATCH_END}::test_a_seeded_fault_stops_the_engine"


@dataclass(frozen=True)
class CheckMutant(Mutant):
    """A break that a test must notice, in these words; of the money: an invariant's name."""

    test: str
    says: str = ""


CHECKS = (
    CheckMutant(
        "a negative fund is fine", "batch_end.py", "    if s.fund_micros < 0:\n", "    if s.mode < 0:\n", SEEDED
    ),
    CheckMutant(
        "fees are no money", "running_totals.py", "s.fund_micros + s.fees_micros, s", "s.fund_micros, s", TRADES
    ),
    CheckMutant(
        "the second asset is not counted",
        "running_totals.py",
        "    for place in range(COLLATERAL_ASSETS):\n        row = collateral_at",
        "    for place in range(1):\n        row = collateral_at",
        SEEDED,
    ),
    CheckMutant(
        "orders may be lost",
        "running_totals.py",
        "counted.listed_orders != s.orders",
        "counted.listed_orders < s.orders",
        SEEDED,
    ),
    CheckMutant(
        "a pool may lose its free rows", "batch_end.py", " and (free_slot == NIL) == (live == used)", "", SEEDED
    ),
    CheckMutant(
        "a locked book is not crossed", "batch_end.py", "ask != NIL and bid >= ask", "ask != NIL and bid > ask", SEEDED
    ),
    CheckMutant(
        "positions are not looked at", "batch_end.py", "if not _position_holds(s, slot, seq)", "if s.mode < 0", SEEDED
    ),
    CheckMutant(
        "a little debt is fine", "batch_end.py", "    if equity >= 0:\n", "    if equity >= -2_000_000:\n", SEEDED
    ),
    CheckMutant(
        "who owes without a position may", "batch_end.py", "if not exposed and not", "if exposed and not", SEEDED
    ),
    CheckMutant(
        "isolated money is not counted",
        "running_totals.py",
        "money += position.isolated_micros - position",
        "money -= position",
        SEEDED,
    ),
    CheckMutant(
        "a row that was taken out is not put back",
        "running_totals.py",
        "    _move_position(s, position_slot, 1)\n",
        "    return\n",
        TRADES,
    ),
    CheckMutant("a tick compares nothing", "mark_tick.py", "    running_totals.end_count(s)\n", "", SEEDED),
    CheckMutant(
        "open interest may be more than all longs",
        "running_totals.py",
        "held.counted_long_lots != contract",
        "held.counted_long_lots > contract",
        SEEDED,
    ),
    CheckMutant(
        "the list of rows has no end",
        "running_totals.py",
        "min(s.totals.noted, NOTED_ROWS)",
        "s.totals.noted",
        BATCH_END,
    ),
    CheckMutant("the command of a row is not kept", "running_totals.py", "    row.seq = s.last_seq\n", "", BATCH_END),
    CheckMutant(
        "a snapshot need not add up",
        "batch_end.py",
        "running_totals.end_count(s) and _sums_hold(s)",
        "_sums_hold(s) or True",
        BATCH_END,
    ),
    CheckMutant("a stopped engine goes on", "step.py", "    if s.totals.fault != 0:\n", "    if s.mode < 0:\n", SEEDED),
    CheckMutant(
        "a command that pauses is looked at", "step.py", "s.phase == Phase.IDLE and not batch", "not batch", FUNDING
    ),
    CheckMutant(
        "a broken batch is not kept",
        "host.py",
        "                    self.journal.sync()\n",
        "                    pass\n",
        BATCH_END,
    ),
    CheckMutant(
        "a broken journal goes on", "host.py", "                self.journal.refuse(self._broken)\n", "", BATCH_END
    ),
)

CASH = "cash_not_conserved"
MONEY = (
    CheckMutant(
        "a fee is credited twice",
        "ledger.py",
        "    s.fees_micros += fee\n",
        "    s.fees_micros += 2 * fee\n",
        TRADES,
        CASH,
    ),
    CheckMutant(
        "a profit is credited to nobody",
        "ledger.py",
        "        _credit(s, position, realised)\n    opened",
        "    opened",
        TRADES,
        CASH,
    ),
    CheckMutant(
        "a flat position keeps a micro of cost",
        "ledger.py",
        "        return entry_cost_micros\n",
        "        return entry_cost_micros - 1\n",
        TRADES,
        "entry_cost_without_position",
    ),
    CheckMutant(
        "some trades leave a lot behind",
        "ledger.py",
        "    position.size_lots = size + signed_lots\n",
        "    position.size_lots = size + signed_lots + s.last_seq % 2\n",
        TRADES,
        "positions_do_not_cancel",
    ),
    CheckMutant(
        "shorts are open interest",
        "ledger.py",
        "max(position.size_lots, 0) - max(size, 0)",
        "abs(position.size_lots) - abs(size)",
        TRADES,
        "open_interest",
    ),
    CheckMutant(
        "the fund pays what it should keep of funding",
        "ledger.py",
        "    s.fund_micros += amount_micros\n    running_totals",
        "    s.fund_micros -= amount_micros\n    running_totals",
        FUNDING,
        "fund_negative",
    ),
    CheckMutant(
        "isolated money leaves a micro behind",
        "ledger.py",
        "account_at(s, position.account_slot).cash_micros -= amount_micros\n",
        "account_at(s, position.account_slot).cash_micros -= amount_micros - 1\n",
        f"{LIQUIDATION}::test_isolated_liquidation_touches_only_its_contract",
        CASH,
    ),
    CheckMutant(
        "what the fund takes is gone",
        "ledger.py",
        "    row.fund_units += units\n",
        "",
        f"{COLLATERAL}::test_fund_takes_collateral_against_what_cash_is_below_zero",
        "collateral_not_conserved",
    ),
    CheckMutant(
        "a deposit of coins counts twice",
        "ledger.py",
        "    row.deposits_units += units\n",
        "    row.deposits_units += 2 * units\n",
        f"{COLLATERAL}::test_concentration_cap_is_exact",
        "collateral_not_conserved",
    ),
    CheckMutant(
        "who pays the fund is paid",
        "ledger.py",
        "        account_at(s, account_slot).cash_micros -= amount_micros\n",
        "        account_at(s, account_slot).cash_micros += amount_micros\n",
        f"{LIQUIDATION}::test_worked_table",
        CASH,
    ),
    CheckMutant(
        "a withdrawal is a deposit",
        "money.py",
        "    s.withdrawals_micros += d.amount_micros\n",
        "    s.deposits_micros += d.amount_micros\n",
        f"{LIQUIDATION}::test_none_left_to_deleverage_halts_the_contract",
        CASH,
    ),
    CheckMutant(
        "the dust of a settlement is owed",
        "ledger.py",
        "    contract.delivery_clearing_micros -= value_micros\n",
        "    contract.delivery_clearing_micros += value_micros + 1\n",
        "tests/test_contract_settlement.py::test_all_is_closed_at_the_mean_of_the_index_without_fee",
        CASH,
    ),
    CheckMutant(
        "an order that ends keeps its row",
        "matching.py",
        "        book.give_slot(s, taker.order_slot)\n\n\n@kernel",
        "        pass\n\n\n@kernel",
        TRADES,
        "live_orders",
    ),
    CheckMutant("a level that ends keeps its row", "book.py", "    s.levels_live -= 1\n", "", TRADES, "pool"),
    CheckMutant(
        "an order that crosses rests",
        "straight_path.py",
        "    if matching.crosses(s, taker):\n        return 1 if _meet",
        "    if s.mode < 0:\n        return 1 if _meet",
        TRADES,
        "book_crossed",
    ),
    CheckMutant(
        "a fill may leave less than nothing",
        "margin.py",
        "    return cross_equity_micros(s, position.account_slot) + change >= 0\n",
        "    return True\n",
        f"{BATCH_END}::test_a_maker_whose_money_is_gone_is_cancelled_before_it_owes",
        "equity_negative",
    ),
)
"""Each moves money, positions, orders or levels wrong in one place; the check at the end of the batch stops it."""
