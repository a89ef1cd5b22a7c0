"""Eligibility that the host gave while the venue was being set up, without a record behind it, and its end."""

from dataclasses import dataclass

from engine.codes import AccountAttribute, CommandKind, InvestorClass, Restriction
from gateway.registry.registry import Account, Intent, Registry
from gateway.registry.required_attributes import GIVEN

NOTE = "no record behind it: withdrawn when the officers were named"
_ELIGIBILITY = (AccountAttribute.INVESTOR_CLASS, *GIVEN)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Whose eligibility was withdrawn, by name."""

    accounts: list[str]
    persons: list[str]


def withdraw_unrecorded(registry: Registry, now_ns: int) -> Withdrawn:
    """Withdraw what lets an account open risk, and persons' knowledge, where no officer's change gave it.

    A change has its document's hash, its officers and its reason in the client's file; what has no change has nothing.
    The directives are written as the venue's own. Restoring takes evidence and two officers, as for a new client.
    """
    found: list[Intent] = []
    accounts = [account for account in registry.accounts() if _of_account(registry, account, found)]
    known = registry.all("SELECT id, name FROM persons ORDER BY id")
    persons = [name for number, name in known if _of_person(registry, number, found)]
    registry.add_intents(found, now_ns)
    return Withdrawn([account.name for account in accounts], persons)


def _of_account(registry: Registry, account: Account, found: list[Intent]) -> bool:
    """Whether an account has anything to lose; what takes it away is added."""
    if registry.attribute(account.slot, AccountAttribute.RESTRICTION) == Restriction.CLOSED:
        return False
    asked = [Intent(CommandKind.ACCOUNT_SET, int(code), account.slot, note=NOTE) for code in _ELIGIBILITY]
    lost = [intent for intent in asked if _is_unrecorded(registry, intent)]
    if account.investor_class != InvestorClass.NONE and registry.last_asked(asked[0]) is None:
        lost.append(asked[0])  # the class was given at the opening
    found += lost
    return bool(lost)


def _of_person(registry: Registry, person: int, found: list[Intent]) -> bool:
    intent = Intent(CommandKind.PERSON_SET, person=person, note=NOTE)
    if not _is_unrecorded(registry, intent):
        return False
    found.append(intent)
    return True


def _is_unrecorded(registry: Registry, intent: Intent) -> bool:
    known = registry.last_asked(intent)
    return known is not None and known.value != 0 and known.change == 0
