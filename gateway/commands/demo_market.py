"""What the demo trades: its contracts, where their prices begin, and who is there and does what."""

from collections.abc import Mapping
from typing import Any

from engine.codes import NIL, CommandKind, MarginMode, VenueParameter
from engine.codes import ContractParameter as P
from engine.units import MICROS
from gateway import clock
from gateway.client import Client, demo_traders
from gateway.config import Config
from gateway.office.bootstrap import Trader, list_contracts, open_trader, set_up_venue
from gateway.office.listings import Listing
from gateway.registry.authentication import NewKey, new_hmac_key
from gateway.registry.registry import Intent, KeyOrder, Registry
from gateway.registry.vault import Vault

MILLION_MICROS = 1_000_000 * MICROS
_HOUR_S = 3600
_RULES: dict[P, int | list[int]] = {
    P.BRACKET_FLOOR_MICROS: [0, 2 * MILLION_MICROS, 10 * MILLION_MICROS],
    P.BRACKET_LEVERAGE: [50, 20, 5],
    P.BRACKET_MMR_PPB: [18_000_000, 30_000_000, 100_000_000],
    P.LIQUIDATION_FEE_PPB: 5_000_000,
    P.BAND_PPB: 14_000_000,
    P.MARK_CLAMP_PPB: 7_500_000,
    P.FUNDING_INTERVAL_S: _HOUR_S,
}
"""Leverage up to 50 and funding every hour, so that what takes days elsewhere is seen in minutes. Band and mark clamp
are as narrow as the maintenance margin demands."""
LISTINGS = (
    Listing("BTC", "0.5", "0.001", 500, 400_000, rules=_RULES),
    Listing("ETH", "0.05", "0.01", 500, 400_000, rules=_RULES),
    Listing("SOL", "0.01", "0.1", 1000, 200_000, rules=_RULES),
    Listing("DOGE", "0.00001", "10", 100, 200_000, rules=_RULES | {P.FUNDING_INTERVAL_S: _HOUR_S // 6}),
)
PRICES = {"BTC": "60000", "ETH": "3000", "SOL": "150", "DOGE": "0.2"}
"""Where the index of each begins, a day before the demo."""
MAKERS, TAKERS, GAMBLERS = ("maker-1", "maker-2"), ("taker-1", "taker-2"), ("gambler-1", "gambler-2")
ARBITRAGEUR, YOU = "arbitrageur", "you"
OFFICERS = ("Ann Lee", "Ben Wong")
_CASH_MICROS = dict.fromkeys(GAMBLERS, 2 * MILLION_MICROS)
"""What differs from 10 million USDC."""


def scripted_index() -> str:
    """The setting that has the index of every contract wander."""
    return ",".join(f"{listing.name}={PRICES[listing.base]}" for listing in LISTINGS)


def set_up(config: Config, begin_ns: int) -> dict[str, Trader]:
    """The contracts, if there are none, and new accounts with keys, as of this time."""
    registry = Registry(config.registry)
    try:
        vault = Vault(config.vault, registry)
        is_new = not registry.contracts()
        if is_new:
            set_up_venue(registry, begin_ns, 10 * MILLION_MICROS)
            registry.add_intents([_patience()], begin_ns)
            list_contracts(registry, begin_ns, LISTINGS)
        number, traders = len(registry.accounts()), {}
        for name in (*MAKERS, *TAKERS, *GAMBLERS, ARBITRAGEUR, YOU):
            cash = _CASH_MICROS.get(name, 10 * MILLION_MICROS)
            traders[name] = open_trader(registry, vault, f"{name}-{number}", cash, begin_ns)
        isolated = [
            _isolated(traders[name].account_slot, contract.slot)
            for name in GAMBLERS
            for contract in registry.contracts()
        ]
        registry.add_intents(isolated, begin_ns)
    finally:
        registry.close()
    return traders


def open_probe(config: Config, now_ns: int) -> Trader:
    """An account of its own, for whoever measures how long nobody answers."""
    registry = Registry(config.registry)
    try:
        vault = Vault(config.vault, registry)
        return open_trader(registry, vault, f"probe-{len(registry.accounts())}", MILLION_MICROS, now_ns)
    finally:
        registry.close()


def open_officers(config: Config, now_ns: int) -> dict[str, NewKey]:
    """Two officers, so that the console can be tried with four eyes; the traders' keys stay as they are."""
    registry = Registry(config.registry)
    try:
        vault, keys = Vault(config.vault, registry), {}
        for name in OFFICERS:
            keys[name], person = new_hmac_key(vault), registry.person(name, now_ns)
            order = KeyOrder(keys[name].id, NIL, person, "hmac", keys[name].verifier, ("compliance", "admin"), "")
            registry.add_key(order, now_ns)
    finally:
        registry.close()
    return keys


def _patience() -> Intent:
    """An index counts for half a minute: as long as a step of the day before, or a start, may take."""
    return Intent(CommandKind.VENUE_SET, int(VenueParameter.INDEX_STALE_NS), value=30 * clock.NS_PER_S)


def _isolated(account_slot: int, contract_slot: int) -> Intent:
    """A bet that goes wrong takes its own margin and no more, so that the gambler can place the next one."""
    return Intent(
        CommandKind.SET_MARGIN_MODE, account_slot=account_slot, contract_slot=contract_slot,
        value=int(MarginMode.ISOLATED), note="the demo's gambler",
    )  # fmt: skip


def began_before(hours: int) -> int:
    """So many hours ago."""
    return clock.wall_ns() - hours * _HOUR_S * clock.NS_PER_S


def bots(clients: Mapping[str, Client], known: list[demo_traders.Market]) -> list[Any]:
    """What each trader does for as long as the demo runs; gamblers where they have a client."""
    small, large = (clients[name] for name in MAKERS)
    quick, slow = (clients[name] for name in TAKERS)
    gamblers = [clients[name] for name in GAMBLERS if name in clients]
    steps = [
        (demo_traders.Maker(small, 1, 0.0003, 20_000).step, 0.5),
        (demo_traders.Maker(large, 2, 0.0006, 60_000).step, 0.8),
        (demo_traders.Taker(quick, 3, 2_000).step, 0.4),
        (demo_traders.Taker(slow, 4, 12_000).step, 1.5),
        (demo_traders.Arbitrageur(clients[ARBITRAGEUR], 5, 20_000).step, 0.5),
        *((demo_traders.Gambler(client, seed, 100_000).step, 2.0) for seed, client in enumerate(gamblers, 6)),
    ]
    return [demo_traders.run(step, known, seconds, seed) for seed, (step, seconds) in enumerate(steps)]
