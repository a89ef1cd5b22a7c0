"""The intents that make an account eligible to open risk."""

from engine.codes import AccountAttribute, CommandKind, InvestorClass
from gateway.registry.registry import Intent
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
