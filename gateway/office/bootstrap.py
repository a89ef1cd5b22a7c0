"""A venue to begin with: the shipped BTC and ETH contracts, and traders who may trade.

Everything goes through the registry as intents, so the log has it like any other change. A venue that has officers
refuses this: there they decide.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.codes import CommandKind, InvestorClass
from engine.units import FOREVER_NS
from gateway.office.listings import SHIPPED, VENUE_SETTINGS, Listing, listing_intents, listing_record
from gateway.office.onboarding import deposit, eligible, knowledge
from gateway.registry.authentication import NewKey, new_ed25519_key, new_hmac_key
from gateway.registry.registry import Intent, KeyOrder, Registry
from gateway.registry.vault import Vault

__all__ = ["SHIPPED", "Listing", "Trader", "list_contracts", "open_trader", "set_up_venue"]


def list_contracts(registry: Registry, now_ns: int, listings: Iterable[Listing] = SHIPPED) -> None:
    """Ask for the contracts to be created, set up and listed; existing ones are not changed."""
    registry.check_open()
    known = {record.name for record in registry.contracts()}
    slot = len(known)
    for listing in listings:
        if listing.name in known:
            continue
        registry.add_contract(listing_record(slot, listing, now_ns), listing_intents(slot, listing))
        slot += 1


def set_up_venue(registry: Registry, now_ns: int, fund_micros: int) -> None:
    """The venue's settings and a seeded insurance fund."""
    registry.check_open()
    intents = [Intent(CommandKind.VENUE_SET, int(code), value=value) for code, value in VENUE_SETTINGS]
    intents.append(Intent(CommandKind.FUND_DEPOSIT, amount_micros=fund_micros, note="seed the insurance fund"))
    registry.add_intents(intents, now_ns)


@dataclass(frozen=True, slots=True)
class Trader:
    """An account that may trade, with a key."""

    name: str
    account_slot: int
    key: NewKey


def open_trader(
    registry: Registry, vault: Vault, name: str, deposit_micros: int, now_ns: int, kind: str = "hmac"
) -> Trader:
    """Open an eligible individual account with money and a key that may read and trade."""
    registry.check_open()
    account = registry.create_account(name, now_ns, investor_class=InvestorClass.INDIVIDUAL)
    person = registry.person(name, now_ns)
    intents = [
        *eligible(account.slot, InvestorClass.INDIVIDUAL, FOREVER_NS, name),
        knowledge(person, FOREVER_NS, name),
        deposit(account.slot, deposit_micros, name),
    ]
    registry.add_intents(intents, now_ns)
    key = new_hmac_key(vault) if kind == "hmac" else new_ed25519_key()
    registry.add_key(KeyOrder(key.id, account.slot, person, kind, key.verifier, ("read", "trade"), name), now_ns)
    return Trader(name, account.slot, key)
