"""Ways to break the engine's money, each as a patch of one place: margin, isolated money, limits, ledger, collateral.

Prices, funding, liquidation, deleveraging and settlement follow in modules of their own.
"""

from tests.mutants_of_forced import FORCED_MUTANTS
from tests.mutants_of_prices import PRICE_MUTANTS
from tests.mutation import Mutant

_MARGIN = (
    Mutant(
        "notional rounded down",
        "margin.py",
        "    return ceil_micros(contract.mark_subticks * abs(size_lots) * contract.micros_per_tick_lot)\n",
        "    return floor_micros(contract.mark_subticks * abs(size_lots) * contract.micros_per_tick_lot)\n",
    ),
    Mutant(
        "a position's worth rounded up",
        "margin.py",
        "    return floor_micros(contract.mark_subticks * size_lots * contract.micros_per_tick_lot)\n",
        "    return ceil_micros(contract.mark_subticks * size_lots * contract.micros_per_tick_lot)\n",
    ),
    Mutant(
        "bracket edge off by one",
        "margin.py",
        "notional_micros <= contract.bracket_floor_micros[place]:",
        "notional_micros < contract.bracket_floor_micros[place]:",
    ),
    Mutant(
        "maintenance forgets the deduction",
        "margin.py",
        "mul_ppb_ceil(notional, contract.bracket_mmr_ppb[place]) - contract.bracket_deduction_micros[place]",
        "mul_ppb_ceil(notional, contract.bracket_mmr_ppb[place])",
    ),
    Mutant(
        "maintenance rounded down",
        "margin.py",
        "    return mul_ppb_ceil(notional, contract.bracket_mmr_ppb[place])",
        "    return mul_div_floor(notional, contract.bracket_mmr_ppb[place], PPB)",
    ),
    Mutant(
        "a chosen leverage beats the bracket's cap",
        "margin.py",
        "    if leverage <= 0 or leverage > cap:\n",
        "    if leverage <= 0:\n",
    ),
    Mutant(
        "initial margin rounded down",
        "margin.py",
        "    return -(-notional_micros // effective_leverage(contract, leverage, notional_micros))\n",
        "    return notional_micros // effective_leverage(contract, leverage, notional_micros)\n",
    ),
    Mutant(
        "the bracket of an order leaves the position out",
        "margin.py",
        "    return initial_micros(contract, leverage, worst) + fees\n",
        "    return -(-worst // effective_leverage(contract, leverage, buys_micros + sells_micros)) + fees\n",
    ),
    Mutant(
        "sells beside a long count in full",
        "margin.py",
        "        return max(held + buys_micros, sells_micros - held)\n",
        "        return max(held + buys_micros, sells_micros)\n",
    ),
    Mutant(
        "orders of the position's own side are free up to its size",
        "margin.py",
        "        return max(held + buys_micros, sells_micros - held)\n",
        "        return max(held, buys_micros, sells_micros - held)\n",
    ),
    Mutant(
        "a short takes buys for its own side",
        "margin.py",
        "        return max(held + sells_micros, buys_micros - held)\n",
        "        return max(held + buys_micros, sells_micros - held)\n",
    ),
    Mutant(
        "fees are reserved for the larger side alone",
        "margin.py",
        "    fees = mul_ppb_ceil(buys_micros + sells_micros, reserved_fee_ppb(contract))\n",
        "    fees = mul_ppb_ceil(max(buys_micros, sells_micros), reserved_fee_ppb(contract))\n",
    ),
    Mutant(
        "fees are reserved at the maker's rate",
        "margin.py",
        "    return max(contract.taker_fee_ppb, contract.maker_fee_ppb)\n",
        "    return np.int64(contract.maker_fee_ppb)\n",
    ),
    Mutant(
        "fees are reserved at the taker's rate though a maker pays more",
        "margin.py",
        "    return max(contract.taker_fee_ppb, contract.maker_fee_ppb)\n",
        "    return np.int64(contract.taker_fee_ppb)\n",
    ),
    Mutant(
        "the open loss of resting orders is forgotten",
        "margin.py",
        "    return need + ceil_micros(position.loss_subtick_lots * unit)\n",
        "    return need\n",
    ),
    Mutant(
        "an isolated position's margin is asked for of cash again",
        "margin.py",
        "        need -= initial_micros(contract, position.leverage, notional_micros(contract, position.size_lots))\n",
        "        need -= 0\n",
    ),
    Mutant(
        "an order beside an isolated position pays its margin again",
        "margin.py",
        "        need -= initial_micros(contract, leverage, notional_micros(contract, size))\n",
        "        need -= 0\n",
    ),
    Mutant(
        "isolated profit counts for the account",
        "margin.py",
        "            if position.size_lots != 0 and position.margin_mode == MarginMode.CROSS:\n"
        "                spare +=",
        "            if position.size_lots != 0:\n                spare +=",
    ),
    Mutant(
        "isolated profit may be paid out",
        "margin.py",
        "        if position.size_lots != 0 and position.margin_mode == MarginMode.CROSS:\n"
        "            contract = contract_at(s, position.contract_slot)\n"
        "            if not contract.margin_free:\n"
        "                total += unrealised",
        "        if position.size_lots != 0:\n"
        "            contract = contract_at(s, position.contract_slot)\n"
        "            if not contract.margin_free:\n"
        "                total += unrealised",
    ),
    Mutant(
        "more than cash is paid out against collateral",
        "margin.py",
        "    return max(min(account.cash_micros, free_micros(s, account_slot)), 0)\n",
        "    return max(free_micros(s, account_slot), 0)\n",
    ),
    Mutant(
        "profit is paid out",
        "margin.py",
        "    loss = min(cross_unrealised_micros(s, account_slot), 0)\n",
        "    loss = cross_unrealised_micros(s, account_slot)\n",
    ),
    Mutant(
        "an isolated position gives its losses away",
        "margin.py",
        "    free = position.isolated_micros + min(profit, 0) - initial_micros",
        "    free = position.isolated_micros - initial_micros",
    ),
    Mutant(
        "an isolated position gives its profit away",
        "margin.py",
        "    free = position.isolated_micros + min(profit, 0) - initial_micros",
        "    free = position.isolated_micros + profit - initial_micros",
    ),
    Mutant(
        "an isolated position at exactly its maintenance is closed",
        "margin.py",
        "isolated_equity_micros(s, position_slot) < maintenance_micros(contract, position.size_lots)",
        "isolated_equity_micros(s, position_slot) <= maintenance_micros(contract, position.size_lots)",
    ),
    Mutant(
        "an isolated position is judged by the account's money",
        "margin.py",
        "    if position.margin_mode == MarginMode.ISOLATED:\n        return isolated_equity",
        "    if position.margin_mode == NIL:\n        return isolated_equity",
    ),
    Mutant(
        "the distance to the bankruptcy price rounded up",
        "margin.py",
        "    return mul_div_floor(money_micros, SUBTICKS, unit)\n",
        "    return mul_div_ceil(money_micros, SUBTICKS, unit)\n",
    ),
    Mutant(
        "a long's close price rounded towards its loss",
        "margin.py",
        "    ticks = -(-price_subticks // SUBTICKS) if size_lots > 0 else price_subticks // SUBTICKS\n",
        "    ticks = price_subticks // SUBTICKS\n",
    ),
    Mutant(
        "a short's close price rounded towards its loss",
        "margin.py",
        "    ticks = -(-price_subticks // SUBTICKS) if size_lots > 0 else price_subticks // SUBTICKS\n",
        "    ticks = -(-price_subticks // SUBTICKS)\n",
    ),
    Mutant(
        "a closing order's limit leaves out its fee",
        "margin.py",
        "        away = mul_div_ceil(contract.mark_subticks - distance, PPB, PPB - fee)\n",
        "        away = contract.mark_subticks - distance\n",
    ),
    Mutant(
        "a short's closing limit adds the fee instead of taking it away",
        "margin.py",
        "        away = mul_div_floor(contract.mark_subticks + distance, PPB, PPB + fee)\n",
        "        away = mul_div_floor(contract.mark_subticks + distance, PPB, PPB - fee)\n",
    ),
    Mutant(
        "an isolated fill brings no fee",
        "margin.py",
        "    return -(-notional // rate) + raised + ceil_micros(loss) + fee\n",
        "    return -(-notional // rate) + raised + ceil_micros(loss)\n",
    ),
    Mutant(
        "an isolated fill brings no loss",
        "margin.py",
        "    return -(-notional // rate) + raised + ceil_micros(loss) + fee\n",
        "    return -(-notional // rate) + raised + fee\n",
    ),
    Mutant(
        "an isolated fill into a bracket of less leverage brings nothing for what is held",
        "margin.py",
        "    return -(-notional // rate) + raised + ceil_micros(loss) + fee\n",
        "    return -(-notional // rate) + ceil_micros(loss) + fee\n",
    ),
    Mutant(
        "the check of equity at a fill forgets the fee",
        "margin.py",
        "    return gain - max(fee_micros(abs(signed_lots) * price_ticks * unit, fee_ppb), 0) - 1\n",
        "    return gain - 1\n",
    ),
    Mutant(
        "the check of equity at a fill forgets the way to the mark",
        "margin.py",
        "    return gain - max(fee_micros(abs(signed_lots) * price_ticks * unit, fee_ppb), 0) - 1\n",
        "    return max(gain, 0) - max(fee_micros(abs(signed_lots) * price_ticks * unit, fee_ppb), 0) - 1\n",
    ),
    Mutant(
        "a sell's adverse distance has the sign of a buy's",
        "margin.py",
        "    return max(distance if side == Side.BUY else -distance, 0)\n",
        "    return max(distance, 0)\n",
    ),
    Mutant(
        "an amended order loses twice",
        "margin.py",
        "        loss -= taker.old_loss_subticks * taker.old_leaves_lots\n",
        "        loss -= 0\n",
    ),
    Mutant(
        "equity of just the margin is too little",
        "margin.py",
        "    return Reason.INSUFFICIENT_MARGIN if spare < _need",
        "    return Reason.INSUFFICIENT_MARGIN if spare <= _need",
    ),
    Mutant(
        "a closing order at its very limit is refused",
        "margin.py",
        "asked <= best_ticks < tightened:",
        "asked <= best_ticks <= tightened:",
    ),
    Mutant(
        "a closing order rests where it was asked for",
        "margin.py",
        "    taker.sweep_ticks = tightened\n    return Reason.NONE",
        "    return Reason.NONE",
    ),
    Mutant(
        "the margin of other contracts is forgotten",
        "margin.py",
        "            if slot != except_slot and (position.size_lots | position.buy_lots | position.sell_lots) != 0:\n"
        "                spare -=",
        "            if slot == NIL and (position.size_lots | position.buy_lots | position.sell_lots) != 0:\n"
        "                spare -=",
    ),
)
_ADMISSION = (
    Mutant(
        "a tightened fill-or-kill order is not counted again",
        "admission.py",
        "        if taker.sweep_ticks != asked:\n",
        "        if taker.sweep_ticks == NIL:\n",
    ),
    Mutant(
        "the edge of the band is outside of it",
        "admission.py",
        "max_buy_ticks) > 0:\n        return Reason.PRICE_OUT_OF_BAND",
        "max_buy_ticks) >= 0:\n        return Reason.PRICE_OUT_OF_BAND",
    ),
    Mutant(
        "plain orders may be one tick outside of the band",
        "plain_terms.py",
        "max(min(contract.max_buy_ticks, contract",
        "max(min(contract.max_buy_ticks + 1, contract",
    ),
    Mutant(
        "an order of just the largest value is refused",
        "admission.py",
        "* contract.micros_per_tick_lot <= contract.max_order_value_micros\n",
        "* contract.micros_per_tick_lot < contract.max_order_value_micros\n",
    ),
    Mutant(
        "the lower edge of the band is rounded outwards",
        "listing.py",
        "        contract.min_sell_ticks = max(-(-lowest // SUBTICKS), 1)\n",
        "        contract.min_sell_ticks = max(lowest // SUBTICKS, 1)\n",
    ),
    Mutant(
        "deductions do not add up",
        "listing.py",
        "contract.bracket_deduction_micros[place] = contract.bracket_deduction_micros[place - 1] + more",
        "contract.bracket_deduction_micros[place] = more",
    ),
    Mutant(
        "band and fee of just the lowest rate are too wide",
        "listing.py",
        "contract.band_ppb + contract.taker_fee_ppb > lowest_mmr:",
        "contract.band_ppb + contract.taker_fee_ppb >= lowest_mmr:",
    ),
    Mutant(
        "the band's check forgets the fee",
        "listing.py",
        "contract.band_ppb + contract.taker_fee_ppb > lowest_mmr:",
        "contract.band_ppb > lowest_mmr:",
    ),
    Mutant(
        "the mark's clamp may be as wide as the lowest rate",
        "listing.py",
        "2 * contract.mark_clamp_ppb > lowest_mmr:",
        "contract.mark_clamp_ppb > lowest_mmr:",
    ),
    Mutant(
        "a position is credit against its limit",
        "exposure_limits.py",
        "    return worst + of_side(position, taker.side).buy_lots + max(against(taker.side, position.size_lots), 0)\n",
        "    return worst + of_side(position, taker.side).buy_lots + against(taker.side, position.size_lots)\n",
    ),
    Mutant(
        "the largest position is too large",
        "exposure_limits.py",
        "own_worst_lots(s, taker) > contract.max_position_lots:",
        "own_worst_lots(s, taker) >= contract.max_position_lots:",
    ),
    Mutant(
        "the exposure limit is out of reach",
        "exposure_limits.py",
        "account_at(s, account_slot).max_exposure_micros - asked) < 0:",
        "account_at(s, account_slot).max_exposure_micros - asked) <= 0:",
    ),
    Mutant(
        "open interest leaves out what is asked for",
        "exposure_limits.py",
        "        if contract.open_interest_lots + taker.leaves_lots > contract.max_open_interest_lots:\n",
        "        if contract.open_interest_lots > contract.max_open_interest_lots:\n",
    ),
    Mutant(
        "the highest leverage is too high",
        "exposure_limits.py",
        "    return Reason.LEVERAGE_LIMIT if leverage > account.max_leverage else Reason.NONE\n",
        "    return Reason.LEVERAGE_LIMIT if leverage >= account.max_leverage else Reason.NONE\n",
    ),
    Mutant(
        "one order more than there may be",
        "exposure_limits.py",
        "account.open_orders >= account.max_open_orders:",
        "account.open_orders > account.max_open_orders:",
    ),
    Mutant(
        "fill-or-kill counts makers who cannot carry it",
        "fill_or_kill.py",
        "        if not _maker_carries(s, order.position_slot, order.side, best_ticks):\n",
        "        if order.position_slot == NIL:\n",
    ),
)
_LEDGER = (
    Mutant(
        "a sell counts at its limit below the mark",
        "ledger.py",
        "    return price_ticks * SUBTICKS + if_sell(side, loss_subticks)\n",
        "    return price_ticks * SUBTICKS\n",
    ),
    Mutant(
        "a position that grows is a new one",
        "ledger.py",
        "    if opened != 0 and opened == abs(position.size_lots):\n",
        "    if opened != 0:\n",
    ),
    Mutant(
        "the fee of an isolated fill comes from cash",
        "ledger.py",
        "    _credit(s, position, -fee)\n",
        "    account_at(s, position.account_slot).cash_micros -= fee\n",
    ),
    Mutant(
        "a rebate comes from nowhere",
        "ledger.py",
        "    s.fees_micros += fee\n",
        "    s.fees_micros += max(fee, 0)\n",
    ),
    Mutant(
        "funding of an isolated position comes from cash",
        "ledger.py",
        "    _credit(s, position, -amount_micros)\n    s.fund_micros",
        "    account_at(s, position.account_slot).cash_micros -= amount_micros\n    s.fund_micros",
    ),
    Mutant(
        "the dust of funding is a fee",
        "ledger.py",
        "    _credit(s, position, -amount_micros)\n    s.fund_micros += amount_micros\n",
        "    _credit(s, position, -amount_micros)\n    s.fees_micros += amount_micros\n",
    ),
    Mutant(
        "coins that the fund has bought are nobody's",
        "ledger.py",
        "    row.fund_units += units\n",
        "    row.fund_units += 0\n",
    ),
    Mutant(
        "open interest outlives a settlement",
        "ledger.py",
        "    contract.open_interest_lots -= max(position.size_lots, 0)\n",
        "    contract.open_interest_lots -= 0\n",
    ),
    Mutant(
        "the dust of a settlement is a fee",
        "ledger.py",
        "    s.fund_micros += contract.delivery_clearing_micros\n",
        "    s.fees_micros += contract.delivery_clearing_micros\n",
    ),
    Mutant(
        "an isolated pool's dealings with the fund go through cash",
        "ledger.py",
        "    if pool_slot == NIL:\n        running_totals.take_account(s, account_slot)\n        account_at",
        "    if pool_slot >= NIL:\n        running_totals.take_account(s, account_slot)\n        account_at",
    ),
    Mutant(
        "part of an isolated position leaves with its share of the money, whatever it has won",
        "isolated_margin.py",
        "mul_div_floor(margin.isolated_equity_micros(s, position_slot), closed_lots, abs(size_before))",
        "mul_div_floor(position.isolated_micros, closed_lots, abs(size_before))",
    ),
    Mutant(
        "an isolated fill brings more than there is",
        "isolated_margin.py",
        "        ledger.move_isolated(s, position_slot, min(needed, spare))",
        "        ledger.move_isolated(s, position_slot, needed)",
    ),
    Mutant(
        "an isolated position that turns keeps its money",
        "isolated_margin.py",
        "    kept = 0 if flipped else min(abs(size), abs(size_before))\n",
        "    kept = min(abs(size), abs(size_before))\n",
    ),
)
_MONEY = (
    Mutant(
        "the last micro that may be deposited may not",
        "money.py",
        "    if d.amount_micros <= 0 or d.amount_micros > MAX_DEPOSITS_MICROS - s.deposits_micros:\n"
        "        return events.refused(s, d, Reason.BAD_AMOUNT)\n    running_totals",
        "    if d.amount_micros <= 0 or d.amount_micros >= MAX_DEPOSITS_MICROS - s.deposits_micros:\n"
        "        return events.refused(s, d, Reason.BAD_AMOUNT)\n    running_totals",
    ),
    Mutant(
        "the fund's seed is no deposit",
        "money.py",
        "    s.fund_micros += d.amount_micros\n    s.deposits_micros += d.amount_micros\n",
        "    s.fund_micros += d.amount_micros\n",
    ),
    Mutant(
        "all that may be withdrawn may not",
        "money.py",
        "        if d.amount_micros > margin.withdrawable_micros(s, d.account_slot):\n",
        "        if d.amount_micros >= margin.withdrawable_micros(s, d.account_slot):\n",
    ),
    Mutant(
        "coins leave as long as equity is left",
        "money.py",
        "    if margin.free_micros(s, d.account_slot) < 0:\n",
        "    if margin.cross_equity_micros(s, d.account_slot) < 0:\n",
    ),
    Mutant(
        "who is flagged chooses leverage",
        "money.py",
        "    if account_at(s, d.account_slot).liquidating:\n",
        "    if account_at(s, d.account_slot).liquidating == NIL:\n",
    ),
    Mutant(
        "money leaves an isolated position as cash does",
        "money.py",
        "        free = margin.isolated_releasable_micros(s, slot)\n",
        "        free = position_at(s, slot).isolated_micros\n",
    ),
    Mutant(
        "a leverage that is refused stays",
        "money.py",
        "    position.leverage = old\n    return Reason.NONE if enough",
        "    return Reason.NONE if enough",
    ),
    Mutant(
        "leverage of an isolated position is carried by the account",
        "money.py",
        "        enough = margin.isolated_equity_micros(s, slot) >= margin.initial_micros(contract, d.value, held)\n",
        "        enough = margin.cross_equity_micros(s, d.account_slot) >= 0 * held\n",
    ),
    Mutant(
        "who may not open raises leverage",
        "money.py",
        "    if chosen > (old if old != 0 else contract.bracket_leverage[0]):\n",
        "    if chosen > contract.bracket_leverage[0]:\n",
    ),
    Mutant(
        "the margin mode changes under open orders",
        "money.py",
        "position_at(s, slot).size_lots != 0 or position_at(s, slot).own_head_slot != NIL:",
        "position_at(s, slot).size_lots != 0:",
    ),
    Mutant(
        "a haircut counts at once",
        "money.py",
        "        row.haircut_ppb = d.value\n",
        "        row.haircut_ppb = d.value\n        row.weight_ppb = PPB - d.value\n",
    ),
)
_COLLATERAL = (
    Mutant(
        "coins rounded up",
        "collateral.py",
        "    return mul_div_floor(units, coin_micros, UNITS_PER_COIN)\n",
        "    return mul_div_ceil(units, coin_micros, UNITS_PER_COIN)\n",
    ),
    Mutant(
        "collateral counts beyond its cap",
        "collateral.py",
        "            total += min(value_of(s, place, units), collateral_at(s, place).limit_micros)\n",
        "            total += value_of(s, place, units)\n",
    ),
    Mutant(
        "the concentration cap is out of reach",
        "collateral.py",
        "    if value_of(s, place, held + units) > row.limit_micros:\n",
        "    if value_of(s, place, held + units) >= row.limit_micros:\n",
    ),
    Mutant(
        "the concentration cap leaves out what is held",
        "collateral.py",
        "    if value_of(s, place, held + units) > row.limit_micros:\n",
        "    if value_of(s, place, units) > row.limit_micros:\n",
    ),
    Mutant(
        "a cap never changes",
        "collateral.py",
        "            row.limit_micros = row.cap_micros\n",
        "            row.limit_micros = max(row.limit_micros, row.cap_micros)\n",
    ),
    Mutant(
        "a coin is worth the mark",
        "collateral.py",
        "contract.index_subticks * contract.micros_per_tick_lot",
        "contract.mark_subticks * contract.micros_per_tick_lot",
    ),
    Mutant(
        "coins come in while their index stands still",
        "collateral.py",
        "row.coin_micros == 0 or contract.open_state != 0 or is_ending(contract):",
        "row.coin_micros == 0 or is_ending(contract):",
    ),
    Mutant(
        "the fund buys at the index",
        "collateral.py",
        '    """What the fund pays for units, rounded down."""\n'
        "    price = mul_ppb_floor(collateral_at(s, place).coin_micros, PPB - FUND_DISCOUNT_PPB)\n",
        "    price = mul_ppb_floor(collateral_at(s, place).coin_micros, PPB)\n",
    ),
    Mutant(
        "the fund buys a little less than is missing",
        "collateral.py",
        "        wanted = min(held, mul_div_ceil(money, UNITS_PER_COIN, price))\n",
        "        wanted = min(held, mul_div_floor(money, UNITS_PER_COIN, price))\n",
    ),
)

MONEY_MUTANTS = (*_MARGIN, *_ADMISSION, *_LEDGER, *_MONEY, *_COLLATERAL, *PRICE_MUTANTS, *FORCED_MUTANTS)
"""All of them."""
EQUIVALENT = (
    (
        Mutant(
            "the haircut's floor is asked for once",
            "collateral.py",
            "PPB - max(row.haircut_ppb, MIN_HAIRCUT_PPB)",
            "PPB - row.haircut_ppb",
        ),
        "no haircut below the floor is ever set, and an asset without one is not enabled: nobody holds any of it",
    ),
)
"""Breaks that no behaviour shows, each with the reason."""
