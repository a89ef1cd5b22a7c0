"""The data folder that every simulated world begins with: two contracts with prices, and four traders."""

from pathlib import Path
from random import Random

from engine.codes import CommandKind, VenueParameter
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Intent, Registry
from gateway.registry.vault import Vault
from gateway.wire.command_rows import index_row
from tests.simulation.clients import Trader
from tests.simulation.machine import Machine, config_of
from tests.simulation.world import Genesis

NAMES = ("ann", "bob", "cat", "dan")
MONEY_MICROS = 10**13
HOUR_NS = 3600 * 10**9


def genesis(folder: Path) -> Genesis:
    """Set a venue up on a machine of its own and kill it: the folder has a journal alone, so a start is quick."""
    machine = Machine(config_of(folder), Random(0))
    with machine.in_place():
        now_ns = machine.clock.now_ns
        registry = Registry(machine.config.registry)
        vault = Vault(machine.config.vault, registry)
        set_up_venue(registry, now_ns, MONEY_MICROS)
        list_contracts(registry, now_ns)
        found = [open_trader(registry, vault, name, MONEY_MICROS, now_ns) for name in NAMES]
        stale = Intent(CommandKind.VENUE_SET, int(VenueParameter.INDEX_STALE_NS), value=HOUR_NS)
        registry.add_intents([stale], now_ns)
        machine.boot()
        machine.settle()
        _give_prices(machine)
        machine.settle()
        machine.kill()
        registry.close()
    machine.disk.lose_power()
    traders = [Trader(one.name, one.account_slot, one.key.id, one.key.secret) for one in found]
    return Genesis(folder, machine.image(), traders, machine.clock.now_ns)


def _give_prices(machine: Machine) -> None:
    assert machine.server is not None
    venue = machine.server.venue
    for slot, price in ((0, b"20000"), (1, b"1000")):
        ticks = venue.projection.contract_at(slot).price_ticks(price) * 1000
        for source in range(3):
            venue.sequencer.submit(index_row(slot, source, ticks, machine.clock.now_ns), None, None)
    machine.server.turns.touch()
    while not venue.projection.ticker(1).mark_subticks:
        machine.clock.move(10**8)
        machine.settle()
