"""The mark tick: new reference prices of all contracts, then the re-check of every account (Rulebook 4)."""

from tests.model import collateral, liquidation, prices, settlement


def run(model):
    """One tick: contracts in slot order, then collateral, then who is liquidatable. Missed ticks are skipped."""
    model.tick_number += 1
    for slot in sorted(model.contracts):
        prices.tick_contract(model, model.contracts[slot])
        settlement.tick(model, model.contracts[slot])
    collateral.revalue(model)
    liquidation.recheck(model)
    model.next_mark_tick_ns = (model.now_ns // model.mark_tick_ns + 1) * model.mark_tick_ns
