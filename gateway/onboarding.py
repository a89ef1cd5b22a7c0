"""What makes an account eligible to open risk, as the intents that tell the engine."""

from engine.codes import AccountAttribute, CommandKind, InvestorClass
from gateway.registry import Intent

_UNTIL = (
    AccountAttribute.KYC_UNTIL_NS,
    AccountAttribute.SCREENING_UNTIL_NS,
    AccountAttribute.EVIDENCE_UNTIL_NS,
    AccountAttribute.CONFIRMATION_UNTIL_NS,
)
_YES = (
    AccountAttribute.JURISDICTION_PERMITTED,
    AccountAttribute.VA_KNOWLEDGE,
    AccountAttribute.RISK_PROFILE,
    AccountAttribute.AGREEMENT,
)
_DISCLOSURES = (
    AccountAttribute.DISCLOSURE_PRODUCT,
    AccountAttribute.DISCLOSURE_LOSS,
    AccountAttribute.DISCLOSURE_AFFILIATE,
)


def eligible(
    account_slot: int, investor_class: InvestorClass, until_ns: int, note: str, disclosure_version: int = 1
) -> list[Intent]:
    """Every attribute of an account that may open risk until this instant."""
    values = {AccountAttribute.INVESTOR_CLASS: int(investor_class)}
    values.update(dict.fromkeys(_UNTIL, until_ns))
    values.update(dict.fromkeys(_YES, 1))
    values.update(dict.fromkeys(_DISCLOSURES, disclosure_version))
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
