"""The mark tick: new reference prices of all contracts, then the re-check of every account (Rulebook 4)."""

from engine.codes import VenueParameter as V
from tests.model import prices


def run(model):
    """One tick: contracts in slot order, then collateral, then who is liquidatable."""
    model.tick_number += 1
    for slot in sorted(model.contracts):
        prices.tick_contract(model, model.contracts[slot])
    interval = model.venue_values[V.MARK_TICK_NS]
    model.next_mark_tick_ns = (model.now_ns // interval + 1) * interval
