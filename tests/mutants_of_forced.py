"""Ways to break liquidation, the fund, deleveraging and settlement, each as a patch of one place."""

from tests.mutation import Mutant

_WHOM = (
    Mutant(
        "a flag stays at exactly the maintenance margin",
        "liquidation_rules.py",
        "    return margin.cross_equity_micros(s, account_slot) < max(maintenance, 0)\n",
        "    return margin.cross_equity_micros(s, account_slot) <= max(maintenance, 0)\n",
    ),
    Mutant(
        "an account at exactly its maintenance margin is flagged",
        "mark_tick.py",
        "    if headroom < 0:\n",
        "    if headroom <= 0:\n",
    ),
    Mutant(
        "the last call comes at its level and not below",
        "mark_tick.py",
        "    if headroom < -(-maintenance_micros // LAST_CALL):\n",
        "    if headroom <= -(-maintenance_micros // LAST_CALL):\n",
    ),
    Mutant(
        "the first call comes at its level and not below",
        "mark_tick.py",
        "    return 1 if headroom < -(-maintenance_micros // FIRST_CALL) else 0\n",
        "    return 1 if headroom <= -(-maintenance_micros // FIRST_CALL) else 0\n",
    ),
    Mutant(
        "the level of the first call rounded down",
        "mark_tick.py",
        "    return 1 if headroom < -(-maintenance_micros // FIRST_CALL) else 0\n",
        "    return 1 if headroom < maintenance_micros // FIRST_CALL else 0\n",
    ),
    Mutant(
        "the level of the last call rounded down",
        "mark_tick.py",
        "    if headroom < -(-maintenance_micros // LAST_CALL):\n",
        "    if headroom < maintenance_micros // LAST_CALL:\n",
    ),
    Mutant(
        "a flag leaves the level of the last call",
        "liquidator.py",
        "    account.warning_level = liquidation_rules.LIQUIDATABLE\n",
        "    account.warning_level += 0\n",
    ),
    Mutant(
        "a call that eased is not forgotten",
        "mark_tick.py",
        "            elif standing != account.warning_level:\n",
        "            elif standing > account.warning_level:\n",
    ),
    Mutant(
        "an isolated position is not looked at",
        "mark_tick.py",
        "_severity(margin.isolated_equity_micros(s, slot), needed)",
        "_severity(max(margin.isolated_equity_micros(s, slot), needed), needed)",
    ),
    Mutant(
        "coins are valued after the accounts are looked at",
        "mark_tick.py",
        "        collateral.revalue(s)\n        running_totals.begin_count(s)\n"
        "    if not _recheck(s):\n        return False\n",
        "        running_totals.begin_count(s)\n"
        "    if not _recheck(s):\n        return False\n    collateral.revalue(s)\n",
    ),
    Mutant(
        "a frozen contract is closed",
        "liquidation_rules.py",
        "contract.liquidation_enabled != 0 and contract.mark_frozen == 0 and contract.margin_free == 0",
        "contract.liquidation_enabled != 0 and contract.margin_free == 0",
    ),
    Mutant(
        "a contract that is switched off is closed",
        "liquidation_rules.py",
        "contract.liquidation_enabled != 0 and contract.mark_frozen == 0 and contract.margin_free == 0",
        "contract.mark_frozen == 0 and contract.margin_free == 0",
    ),
    Mutant(
        "the smallest need is closed first",
        "liquidation_rules.py",
        "            if maintenance > largest:\n",
        "            if maintenance < largest or best == NIL:\n",
    ),
    Mutant(
        "who is flagged may open",
        "liquidator.py",
        "warning_level = liquidation_rules.LIQUIDATABLE\n    eligibility.set_gate(s, account_slot)\n",
        "warning_level = liquidation_rules.LIQUIDATABLE\n",
    ),
    Mutant(
        "rounds go on within a tick",
        "liquidator.py",
        "    account.liquidated_tick = tick\n",
        "    account.liquidated_tick = tick - 1\n",
    ),
    Mutant(
        "the last that was flagged is the first",
        "liquidator.py",
        "        account_at(s, s.liquidation_tail_slot).queue_next_slot = account_slot\n"
        "    s.liquidation_tail_slot = account_slot\n",
        "        account_at(s, account_slot).queue_next_slot = s.liquidation_head_slot\n"
        "        s.liquidation_head_slot = account_slot\n"
        "    if s.liquidation_tail_slot == NIL:\n        s.liquidation_tail_slot = account_slot\n",
    ),
    Mutant(
        "an isolated round cancels all the account's orders",
        "liquidator.py",
        "    slot = np.int64(account_at(s, account_slot).positions_head) if pool_slot == NIL else pool_slot\n",
        "    slot = np.int64(account_at(s, account_slot).positions_head)\n    pool_slot = np.int64(NIL)\n",
    ),
    Mutant(
        "a round goes on although it was cured after its decision",
        "liquidator.py",
        "    if _is_cured(s):\n",
        "    if _is_cured(s) and s.mode < 0:\n",
    ),
    Mutant(
        "equity > half of MM as >=",
        "liquidator.py",
        "    s.liquidation_full = 1 if 2 * equity <= maintenance else 0\n",
        "    s.liquidation_full = 1 if 2 * equity < maintenance else 0\n",
    ),
)
_HOW_MUCH = (
    Mutant(
        "the liquidation fee rounded down",
        "liquidation_rules.py",
        "    return mul_ppb_ceil(margin.notional_micros(contract, lots), contract.liquidation_fee_ppb)\n",
        "    return mul_div_floor(margin.notional_micros(contract, lots), contract.liquidation_fee_ppb, PPB)\n",
    ),
    Mutant(
        "the least that cures leaves out the fee",
        "liquidation_rules.py",
        "    return spare_micros - fee_micros(contract, lots) >= margin",
        "    return spare_micros >= margin",
    ),
    Mutant(
        "what just cures is not enough",
        "liquidation_rules.py",
        "    return spare_micros - fee_micros(contract, lots) >= margin",
        "    return spare_micros - fee_micros(contract, lots) > margin",
    ),
    Mutant(
        "a remainder of just the minimum is too small",
        "liquidation_rules.py",
        "    return lots if size - lots >= contract.min_order_lots else size\n",
        "    return lots if size - lots > contract.min_order_lots else size\n",
    ),
    Mutant(
        "a remainder may be of any size",
        "liquidation_rules.py",
        "    return lots if size - lots >= contract.min_order_lots else size\n",
        "    return lots\n",
    ),
    Mutant(
        "what is closed knows no steps",
        "liquidation_rules.py",
        "    step = np.int64(contract.lot_step)\n    low, high",
        "    step = np.int64(1)\n    low, high",
    ),
    Mutant(
        "the rest needs its share and not its bracket's",
        "liquidation_rules.py",
        ">= margin.maintenance_micros(contract, rest)\n",
        ">= margin.maintenance_micros(contract, size_lots) * rest // abs(size_lots)\n",
    ),
    Mutant(
        "a partial close leaves out what the others need",
        "liquidator.py",
        "margin.pool_equity_micros(s, slot) - (liquidation_rules.pool_maintenance_micros(s, slot) - own)\n",
        "margin.pool_equity_micros(s, slot) + 0 * own\n",
    ),
    Mutant(
        "the book's part pays no liquidation fee",
        "liquidator.py",
        "    s.liquidation_lots -= filled\n    _owe(s, filled)\n",
        "    s.liquidation_lots -= filled\n",
    ),
    Mutant(
        "what is deleveraged pays no liquidation fee",
        "liquidator.py",
        "    s.liquidation_lots -= lots\n    _owe(s, lots)\n",
        "    s.liquidation_lots -= lots\n",
    ),
    Mutant(
        "liquidation fee above what is left",
        "liquidator.py",
        "    fee = min(s.liquidation_owed_micros, max(equity, 0))\n",
        "    fee = np.int64(s.liquidation_owed_micros)\n",
    ),
    Mutant(
        "forced fills pay the taker's fee",
        "matching.py",
        "ledger.book_fill(s, position_slot, signed_lots, price_micros, 0 if forced else fee_ppb)",
        "ledger.book_fill(s, position_slot, signed_lots, price_micros, fee_ppb)",
    ),
    Mutant(
        "a forced order cancels who is out of the band",
        "matching.py",
        "price_ticks) and taker.flags & FLAG_FORCED == 0:\n",
        "price_ticks):\n",
    ),
)
_FUND = (
    Mutant(
        "the fund's daily tenth is never reset",
        "liquidation_rules.py",
        "    used = account.fund_used_micros if account.fund_day == s.now_ns // DAY_NS else np.int64(0)\n",
        "    used = np.int64(account.fund_used_micros)\n",
    ),
    Mutant(
        "a new day begins with what the fund gave on the last",
        "liquidator.py",
        "        account.fund_day = day\n        account.fund_used_micros = 0\n",
        "        account.fund_day = day\n",
    ),
    Mutant(
        "the fund gives its tenth again and again",
        "liquidation_rules.py",
        "    return max(min((s.fund_micros + used) // FUND_SHARE - used, s.fund_micros), 0)\n",
        "    return max(min((s.fund_micros + used) // FUND_SHARE, s.fund_micros), 0)\n",
    ),
    Mutant(
        "the fund's tenth is of what it has left",
        "liquidation_rules.py",
        "    return max(min((s.fund_micros + used) // FUND_SHARE - used, s.fund_micros), 0)\n",
        "    return max(min(s.fund_micros // FUND_SHARE - used, s.fund_micros), 0)\n",
    ),
    Mutant(
        "the fund helps with no close price",
        "liquidation_rules.py",
        "position.size_lots, equity + aid)\n",
        "position.size_lots, equity + 0 * aid)\n",
    ),
    Mutant(
        "the fund helps who needs no help",
        "liquidation_rules.py",
        "    aid = min(fund_allowance_micros(s, position.account_slot), max(-equity, 0))\n",
        "    aid = min(fund_allowance_micros(s, position.account_slot), abs(equity))\n",
    ),
    Mutant(
        "what the fund pays for nothing comes before what it buys",
        "liquidator.py",
        "    if pool_slot == NIL and account_at(s, account_slot).has_collateral:\n"
        "        _take_collateral(s, account_slot)\n"
        "    _settle_deficit(s, account_slot, pool_slot)\n",
        "    _settle_deficit(s, account_slot, pool_slot)\n"
        "    if pool_slot == NIL and account_at(s, account_slot).has_collateral:\n"
        "        _take_collateral(s, account_slot)\n",
    ),
    Mutant(
        "the fee is charged when all is settled",
        "liquidator.py",
        "    _charge_fee(s, account_slot, pool)\n    make_whole(s, account_slot, pool)\n",
        "    make_whole(s, account_slot, pool)\n    _charge_fee(s, account_slot, pool)\n",
    ),
    Mutant(
        "an isolated position that was closed keeps its money",
        "liquidator.py",
        "        ledger.move_isolated(s, pool, -position_at(s, pool).isolated_micros)\n    s.liquidation_stage",
        "        ledger.move_isolated(s, pool, np.int64(0))\n    s.liquidation_stage",
    ),
)
_DELEVERAGING = (
    Mutant(
        "a deleveraging giver gives one step more than it can afford",
        "liquidation_rules.py",
        "    return max(lots, 0) // step * step\n",
        "    return max(lots, 0) // step * step + step\n",
    ),
    Mutant(
        "a giver keeps a lot that it could just afford",
        "liquidation_rules.py",
        "    lots = mul_div_floor(equity_micros, SUBTICKS, loss * contract.micros_per_tick_lot)\n",
        "    lots = mul_div_floor(equity_micros - 1, SUBTICKS, loss * contract.micros_per_tick_lot)\n",
    ),
    Mutant(
        "a giver gives whatever it has",
        "liquidation_rules.py",
        "    if loss <= 0:\n",
        "    if loss <= 0 or size != 0:\n",
    ),
    Mutant(
        "a deleveraged giver keeps its opening orders",
        "liquidator.py",
        "    if (giver.buy_lots | giver.sell_lots) != 0 and cancel_queue.has_room(s):\n",
        "    if giver.buy_lots < 0 and cancel_queue.has_room(s):\n",
    ),
    Mutant(
        "a giver's reduce-only orders stay as they were",
        "liquidator.py",
        "    if giver.reduce_only_lots > 0:\n",
        "    if giver.reduce_only_lots < 0:\n",
    ),
    Mutant(
        "an isolated giver's money stays with what it gave",
        "liquidator.py",
        "    if position.margin_mode == MarginMode.ISOLATED and position_slot != s.liquidation_position_slot:\n",
        "    if position.margin_mode == NIL and position_slot != s.liquidation_position_slot:\n",
    ),
    Mutant(
        "with nobody left the contract trades on",
        "liquidator.py",
        "    if contract.state == MarketState.SETTLED:\n        return\n    if contract.open_state",
        "    if contract.state != NIL:\n        return\n    if contract.open_state",
    ),
    Mutant(
        "return is on what a position is worth now",
        "liquidation_rules.py",
        "    cost = max(abs(position_at(s, position_slot).entry_cost_micros), 1)\n",
        "    cost = max(abs(position_at(s, position_slot).entry_cost_micros + profit_micros(s, position_slot)), 1)\n",
    ),
    Mutant(
        "leverage is on what a position has cost",
        "liquidation_rules.py",
        "    return max(_capped_ratio(notional, equity_micros), 1)\n",
        "    return max(_capped_ratio(abs(position.entry_cost_micros), equity_micros), 1)\n",
    ),
    Mutant(
        "leverage is forgotten in a rank",
        "liquidation_rules.py",
        "    return product_less(other_profit, other_leverage, profit, leverage)\n",
        "    return other_profit < profit\n",
    ),
    Mutant(
        "losers are ranked as winners are",
        "liquidation_rules.py",
        "        return product_less(other_profit, leverage, profit, other_leverage)\n",
        "        return product_less(other_profit, other_leverage, profit, leverage)\n",
    ),
    Mutant(
        "of equals the younger goes first",
        "liquidation_rules.py",
        "    return opened_seq < other_opened_seq if opened_seq != other_opened_seq",
        "    return opened_seq > other_opened_seq if opened_seq != other_opened_seq",
    ),
    Mutant(
        "the last fifth of a queue has no light",
        "liquidation_rules.py",
        "    return 6 + mul_div_floor(-cumulated_lots, LIGHTS, max(total_lots, 1))\n",
        "    return 5 + mul_div_floor(-cumulated_lots, LIGHTS, max(total_lots, 1))\n",
    ),
    Mutant(
        "lights are rounded the other way",
        "liquidation_rules.py",
        "    return 6 + mul_div_floor(-cumulated_lots, LIGHTS, max(total_lots, 1))\n",
        "    return 6 - mul_div_floor(cumulated_lots, LIGHTS, max(total_lots, 1))\n",
    ),
    Mutant(
        "lights forget who went before",
        "adl_ranking.py",
        "        s.rank_ahead_lots += abs(position_at(s, slot).size_lots)\n",
        "        s.rank_ahead_lots += 0\n",
    ),
    Mutant(
        "a ranking outlives its tick",
        "adl_ranking.py",
        "    fits = s.rank_tick == s.mark_ticks and s.rank_contract_slot",
        "    fits = s.rank_tick != 0 and s.rank_contract_slot",
    ),
    Mutant(
        "who ranks higher since it has given is not moved up",
        "adl_ranking.py",
        "    if fits and s.rank_scans == 0:\n        _sort(s)\n",
        "    if fits and s.rank_scans == 0:\n",
    ),
    Mutant(
        "a giver is not judged again",
        "liquidator.py",
        "    adl_ranking.rank_giver(s)\n    s.liquidation_lots -= lots\n",
        "    s.liquidation_lots -= lots\n",
    ),
    Mutant(
        "who has given keeps its rank",
        "adl_ranking.py",
        "    if place + 1 < s.rank_count and _precedes(s, place + 1, CANDIDATE):\n        return False\n",
        "    if place < NIL:\n        return False\n",
    ),
)
_SETTLEMENT = (
    Mutant(
        "the last minute of a window is no sample",
        "contract_settlement.py",
        "    if s.now_ns <= contract.delivery_ns:\n",
        "    if s.now_ns < contract.delivery_ns:\n",
    ),
    Mutant(
        "a settlement price rounded up",
        "contract_settlement.py",
        "        price = contract.delivery_sum_subticks // contract.delivery_samples\n",
        "        price = -(-contract.delivery_sum_subticks // contract.delivery_samples)\n",
    ),
    Mutant(
        "a settlement samples the mark",
        "contract_settlement.py",
        "            contract.delivery_sum_subticks += contract.index_subticks\n",
        "            contract.delivery_sum_subticks += contract.mark_subticks\n",
    ),
    Mutant(
        "a settlement samples a frozen index",
        "contract_settlement.py",
        "        if index_and_mark.live_sources(contract, s.now_ns - s.index_stale_ns) >= contract.min_sources:\n",
        "        if contract.index_subticks != 0:\n",
    ),
    Mutant(
        "a window ends a tick late",
        "contract_settlement.py",
        "    if s.now_ns >= contract.delivery_ns and",
        "    if s.now_ns > contract.delivery_ns and",
    ),
    Mutant(
        "a fund of just what is missing is not enough",
        "contract_settlement.py",
        "            if left < 0:\n",
        "            if left <= 0:\n",
    ),
    Mutant(
        "a settlement does not ask what the fund can pay",
        "contract_settlement.py",
        "            if left < 0:\n",
        "            if left < -MarketState.SETTLED * NS_PER_S * NS_PER_S:\n",
    ),
    Mutant(
        "isolated money does not come back from a settlement",
        "contract_settlement.py",
        "        ledger.move_isolated(s, position_slot, -position.isolated_micros)\n",
        "        ledger.move_isolated(s, position_slot, np.int64(0))\n",
    ),
    Mutant(
        "the fund pays for who has other positions",
        "contract_settlement.py",
        "    if not isolated and margin.cross_maintenance_micros(s, account_slot) == NIL:\n",
        "    if not isolated:\n",
    ),
    Mutant(
        "who falls below after a settlement is not flagged",
        "contract_settlement.py",
        "    if not account_at(s, account_slot).liquidating and liquidation_rules.is_liquidatable(s, account_slot):\n",
        "    if account_at(s, account_slot).liquidating < 0:\n",
    ),
    Mutant(
        "a window leaves the market open",
        "contract_settlement.py",
        "    state = max(np.int64(contract.state), MARKET_REDUCE_ONLY)\n",
        "    state = np.int64(contract.state)\n",
    ),
    Mutant(
        "funding goes on after a settlement",
        "contract_settlement.py",
        "        contract.next_funding_ns = 0\n",
        "        contract.next_funding_ns += 0\n",
    ),
)

FORCED_MUTANTS = (*_WHOM, *_HOW_MUCH, *_FUND, *_DELEVERAGING, *_SETTLEMENT)
