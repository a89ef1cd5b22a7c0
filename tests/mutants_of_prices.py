"""Ways to break index, mark, impact prices, locks and funding, each as a patch of one place."""

from tests.mutation import Mutant

_PRICES = (
    Mutant(
        "a source of ten seconds is stale",
        "index_and_mark.py",
        "source.price_subticks > 0 and source.time_ns >= oldest_ns",
        "source.price_subticks > 0 and source.time_ns > oldest_ns",
    ),
    Mutant(
        "an even median is the upper one",
        "index_and_mark.py",
        "    return (_ranked_price(contract, oldest_ns, count // 2 - 1) + upper) // 2\n",
        "    return upper\n",
    ),
    Mutant(
        "sources are not clamped",
        "index_and_mark.py",
        "            total += source.weight * clamp(source.price_subticks, low, high)\n",
        "            total += source.weight * source.price_subticks\n",
    ),
    Mutant(
        "sources are clamped from below alone",
        "index_and_mark.py",
        "            total += source.weight * clamp(source.price_subticks, low, high)\n",
        "            total += source.weight * max(source.price_subticks, low)\n",
    ),
    Mutant(
        "all sources weigh the same",
        "index_and_mark.py",
        "            total += source.weight * clamp(source.price_subticks, low, high)\n"
        "            weights += source.weight\n",
        "            total += clamp(source.price_subticks, low, high)\n            weights += 1\n",
    ),
    Mutant(
        "the index rounded up",
        "index_and_mark.py",
        "    return total // weights if weights > 0 else np.int64(0)\n",
        "    return -(-total // weights) if weights > 0 else np.int64(0)\n",
    ),
    Mutant(
        "twice the index is wild",
        "index_and_mark.py",
        "    return price_subticks > WILD_FACTOR * index or",
        "    return price_subticks >= WILD_FACTOR * index or",
    ),
    Mutant(
        "a source goes back in time",
        "reference_prices.py",
        " or d.source_time_ns < contract.source[d.code].time_ns:\n",
        ":\n",
    ),
    Mutant(
        "hidden quantity makes an impact price",
        "index_and_mark.py",
        "    lots = level.leaves_lots - level.hidden_lots\n",
        "    lots = np.int64(level.leaves_lots)\n",
    ),
    Mutant(
        "affiliates make an impact price",
        "index_and_mark.py",
        "    slot = np.int64(level.affiliated_head_slot)\n",
        "    slot = np.int64(NIL)\n",
    ),
    Mutant(
        "affiliates make an impact price unless the contract names one",
        "index_and_mark.py",
        "    if contract.impact_excludes_affiliates == 0:\n",
        "    if contract.impact_excludes_affiliates == 0 or contract.affiliate_present == 0:\n",
    ),
    Mutant(
        "ticks that are switched on again wait for the next",
        "directives.py",
        "        timers.refresh(s)\n",
        "        s.next_due_ns = min(s.next_due_ns, s.next_mark_tick_ns)\n",
    ),
    Mutant(
        "a level that just carries the impact notional does not",
        "index_and_mark.py",
        "        if quoted >= -(-left // (price * unit)):\n",
        "        if quoted > -(-left // (price * unit)):\n",
    ),
    Mutant(
        "an impact price is the last level's",
        "index_and_mark.py",
        "            return _average_subticks(contract, price, lots, left)\n",
        "            return price * SUBTICKS\n",
    ),
    Mutant(
        "a basis sample counts up to the whole lowest rate",
        "index_and_mark.py",
        "    bound = mul_ppb_floor(contract.index_subticks, contract.bracket_mmr_ppb[0]) // 2\n",
        "    bound = mul_ppb_floor(contract.index_subticks, contract.bracket_mmr_ppb[0])\n",
    ),
    Mutant(
        "the last funding rate counts in full until the next",
        "index_and_mark.py",
        "    remaining = clamp(contract.next_funding_ns - now_ns, 0, interval_ns)\n",
        "    remaining = interval_ns\n",
    ),
    Mutant(
        "without a big trade the index stands for it",
        "index_and_mark.py",
        "if contract.last_big_trade_ticks != 0 else first\n",
        "if contract.last_big_trade_ticks != 0 else np.int64(contract.index_subticks)\n",
    ),
    Mutant(
        "the mark leaves its clamp",
        "index_and_mark.py",
        "    mark = clamp(mark, contract.index_subticks - reach, contract.index_subticks + reach)\n",
        "    mark = max(mark, contract.index_subticks - reach)\n",
    ),
    Mutant(
        "a trade of just a tenth is small",
        "index_and_mark.py",
        "    return notional_micros * BIG_TRADE_SHARE >= contract.impact_notional_micros\n",
        "    return notional_micros * BIG_TRADE_SHARE > contract.impact_notional_micros\n",
    ),
    Mutant(
        "the last samples are twenty-nine",
        "reference_prices.py",
        "        place = contract.basis_count % BASIS_SAMPLES\n",
        "        place = contract.basis_count % (BASIS_SAMPLES - 1)\n",
    ),
    Mutant(
        "a thin side makes a basis",
        "reference_prices.py",
        "    if bid != 0 and ask != 0:\n",
        "    if bid != 0 or ask != 0:\n",
    ),
    Mutant(
        "the band stays where it was",
        "reference_prices.py",
        "else mark\n    listing.set_band(contract)\n",
        "else mark\n",
    ),
    Mutant(
        "a frozen mark moves",
        "reference_prices.py",
        "    if contract.mark_frozen == 0:\n        set_mark",
        "    if contract.index_subticks != 0:\n        set_mark",
    ),
    Mutant(
        "a lock opens what was halted",
        "reference_prices.py",
        "max(contract.open_state, lock_state(contract)), Reason.REFERENCE_PRICE_UNAVAILABLE)",
        "lock_state(contract), Reason.REFERENCE_PRICE_UNAVAILABLE)",
    ),
    Mutant(
        "a gap in the recovery is forgiven",
        "reference_prices.py",
        "    contract.index_live_since_ns = 0\n    if not cancel_queue.has_room(s):\n",
        "    if not cancel_queue.has_room(s):\n",
    ),
    Mutant(
        "a recovery takes a tick longer",
        "reference_prices.py",
        "s.now_ns - contract.index_live_since_ns < s.index_recovery_ns or",
        "s.now_ns - contract.index_live_since_ns <= s.index_recovery_ns or",
    ),
    Mutant(
        "too few sources make an index all the same",
        "reference_prices.py",
        "    if live >= contract.min_sources:\n",
        "    if live >= 1:\n",
    ),
)
_FUNDING = (
    Mutant(
        "a thin offer side is a price of nothing",
        "funding.py",
        "    below = max(index_subticks - ask_subticks, 0) if ask_subticks != 0 else np.int64(0)\n",
        "    below = max(index_subticks - ask_subticks, 0)\n",
    ),
    Mutant(
        "a premium rounded up",
        "funding.py",
        "    premium = mul_div_floor(above - below, PPB, index_subticks)\n",
        "    premium = mul_div_ceil(above - below, PPB, index_subticks)\n",
    ),
    Mutant(
        "the first sample weighs nothing",
        "funding.py",
        " else contract.premium_samples + 1\n",
        " else np.int64(contract.premium_samples)\n",
    ),
    Mutant(
        "samples weigh the same, whatever the contract says",
        "funding.py",
        "    return np.int64(1) if contract.funding_equal_weights else",
        "    return np.int64(1) if contract.premium_samples >= 0 else",
    ),
    Mutant(
        "an average rounded up",
        "funding.py",
        "    return contract.premium_sum_ppb // contract.premium_weight\n",
        "    return -(-contract.premium_sum_ppb // contract.premium_weight)\n",
    ),
    Mutant(
        "the interest part knows no clamp",
        "funding.py",
        "    rate = average_ppb + clamp(contract.funding_interest_ppb - average_ppb, -reach, reach)\n",
        "    rate = average_ppb + max(contract.funding_interest_ppb - average_ppb, -reach)\n",
    ),
    Mutant(
        "a negative rate knows no cap",
        "funding.py",
        "    return clamp(rate, -contract.funding_cap_ppb, contract.funding_cap_ppb)\n",
        "    return min(rate, contract.funding_cap_ppb)\n",
    ),
    Mutant(
        "the cap is asked for before the interest",
        "funding.py",
        "    rate = average_ppb + clamp(contract.funding_interest_ppb - average_ppb, -reach, reach)\n"
        "    return clamp(rate, -contract.funding_cap_ppb, contract.funding_cap_ppb)\n",
        "    rate = clamp(average_ppb, -contract.funding_cap_ppb, contract.funding_cap_ppb)\n"
        "    return rate + clamp(contract.funding_interest_ppb - average_ppb, -reach, reach)\n",
    ),
    Mutant(
        "every interval pays for eight hours",
        "funding.py",
        "    return mul_div_floor(rate_8h_ppb(contract, average_ppb), contract.funding_interval_s, RATE_BASE_S)\n",
        "    return rate_8h_ppb(contract, average_ppb)\n",
    ),
    Mutant(
        "half of the samples are too few",
        "funding.py",
        "    return 2 * contract.premium_samples >= contract",
        "    return 2 * contract.premium_samples > contract",
    ),
    Mutant(
        "funding is paid on the index",
        "funding.py",
        "    value = contract.mark_subticks * size_lots * contract.micros_per_tick_lot\n",
        "    value = contract.index_subticks * size_lots * contract.micros_per_tick_lot\n",
    ),
    Mutant(
        "funding rounded in favour of who pays",
        "funding.py",
        "    return mul_div_ceil(value, rate_ppb, SUBTICKS * PPB)\n",
        "    return mul_div_floor(value, rate_ppb, SUBTICKS * PPB)\n",
    ),
    Mutant(
        "premiums of the last interval count on",
        "funding_payments.py",
        "    contract.premium_sum_ppb = 0\n",
        "    contract.premium_sum_ppb += 0\n",
    ),
    Mutant(
        "weights of the last interval count on",
        "funding_payments.py",
        "    contract.premium_weight = 0\n",
        "    contract.premium_weight += 0\n",
    ),
    Mutant(
        "what is not payable is paid at the last rate",
        "funding_payments.py",
        "funding.interval_rate_ppb(contract, average) if payable else 0\n",
        "funding.interval_rate_ppb(contract, average) if payable else contract.funding_rate_ppb\n",
    ),
    Mutant(
        "an outage is paid for later",
        "funding_payments.py",
        "funding.next_boundary_ns(contract, s.now_ns)\n",
        "funding.next_boundary_ns(contract, np.int64(contract.next_funding_ns))\n",
    ),
    Mutant(
        "a sample that was missed is taken late",
        "reference_prices.py",
        "    if not missed and contract.mark_frozen == 0",
        "    if contract.mark_frozen == 0",
    ),
)

PRICE_MUTANTS = (*_PRICES, *_FUNDING)
