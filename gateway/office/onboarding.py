"""The intents that say whose an account is, and those that make it eligible to open risk."""

from engine.codes import AccountAttribute, ClientAttribute, CommandKind, InvestorClass, Restriction
from gateway.registry.clients import unbound_accounts
from gateway.registry.registry import Intent, Registry
from gateway.registry.required_attributes import given_until


def eligible(account_slot: int, investor_class: InvestorClass, until_ns: int, note: str) -> list[Intent]:
    """Every attribute of an account that may open risk until this instant."""
    values = {AccountAttribute.INVESTOR_CLASS: int(investor_class)} | given_until(until_ns)
    return [
        Intent(CommandKind.ACCOUNT_SET, int(attribute), account_slot, value=value, note=note)
        for attribute, value in values.items()
    ]


def knowledge(person: int, until_ns: int, note: str) -> Intent:
    """A person's derivatives knowledge counts until this instant."""
    return Intent(CommandKind.PERSON_SET, person=person, value=until_ns, note=note)


def deposit(account_slot: int, amount_micros: int, note: str) -> Intent:
    """Money that has arrived for an account, in the settlement currency."""
    return Intent(CommandKind.DEPOSIT, account_slot=account_slot, amount_micros=amount_micros, note=note)


def bind_accounts(registry: Registry, now_ns: int) -> None:
    """Tell the engine whose the accounts of an older registry are; a freeze that was one account's is its client's.

    The freeze comes first, and the account keeps its own until officers lift both, so nothing is free in between.
    """
    for slot, client_id, restriction in unbound_accounts(registry):
        freeze = Intent(CommandKind.CLIENT_SET, int(ClientAttribute.FROZEN), item=client_id, value=1, sweeps=True)
        is_new = restriction == Restriction.FROZEN and not registry.known_value(freeze)
        binding = Intent(CommandKind.ACCOUNT_SET, int(AccountAttribute.CLIENT), slot, value=client_id)
        registry.add_intents([freeze, binding] if is_new else [binding], now_ns)
