"""Segregation of duties: the two who make a client eligible are not the two who record its money.

A pair is who proposed and who approved, in either order. It may not do both for one client, whichever comes first,
unless the venue's parameter ONE_PAIR_MAY_GRANT_AND_PAY is 1, which is itself a change that two officers make. Of what
makes a client eligible, what a pair decided last counts, so one officer who says it again makes no pair free; of its
money, every entry.
"""

from collections.abc import Iterable
from typing import Literal

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind as K
from engine.codes import VenueParameter
from gateway.office.four_eyes import needs_second_person
from gateway.registry.registry import Intent, Registry, RegistryError
from gateway.registry.required_attributes import GIVEN

Duty = Literal["grant", "money"]
_GRANTING = (A.INVESTOR_CLASS, A.PI_WITHDRAWN, *GIVEN)
_MONEY = (K.DEPOSIT, K.WITHDRAW)
_OTHER: dict[Duty, Duty] = {"grant": "money", "money": "grant"}
_DONE: dict[Duty, str] = {"grant": "made {} eligible", "money": "recorded money of {}"}
_SETTING = VenueParameter.ONE_PAIR_MAY_GRANT_AND_PAY
_CODES = ", ".join(str(int(code)) for code in _GRANTING)
_KINDS = ", ".join(str(int(kind)) for kind in _MONEY)
_OF_CLIENT = "SELECT slot FROM accounts WHERE client_id = ?"
_IN_FORCE = (
    "approver > 0 AND number = (SELECT max(number) FROM intents AS later WHERE later.kind = intents.kind AND "
    "later.account_slot = intents.account_slot AND later.contract_slot = intents.contract_slot AND later.code = "
    "intents.code AND later.item = intents.item AND later.person = intents.person AND later.approver > 0 AND "
    "coalesce(later.reason, 0) = 0)"
)
_GRANTS = f"SELECT actor, approver FROM intents WHERE {_IN_FORCE} AND kind ="
_PAIRS: dict[Duty, str] = {
    "grant": (
        f"{_GRANTS} {K.ACCOUNT_SET:d} AND code IN ({_CODES}) AND account_slot IN ({_OF_CLIENT}) UNION "
        f"{_GRANTS} {K.PERSON_SET:d} AND person IN (SELECT person FROM keys WHERE account_slot IN ({_OF_CLIENT}))"
    ),
    "money": (
        f"SELECT DISTINCT actor, approver FROM intents WHERE kind IN ({_KINDS}) AND approver > 0 AND "
        f"coalesce(reason, 0) = 0 AND account_slot IN ({_OF_CLIENT})"
    ),
}


def check_pair(registry: Registry, intents: Iterable[Intent], actor: int, approver: int) -> None:
    """Refuse a change by two persons who have the other duty of the same client."""
    for client, duty in sorted(_duties(registry, intents)):
        if frozenset({actor, approver}) in _pairs(registry, client, _OTHER[duty]):
            names = f"{registry.person_name(actor)} and {registry.person_name(approver)}"
            raise RegistryError(
                f"number: {names} have {_done(registry, client, _OTHER[duty])}, so one of the two who do this must be "
                "another officer"
            )


def check_somebody_may(registry: Registry, intents: Iterable[Intent], actor: int, scope: str) -> None:
    """Refuse a proposal that no other officer could approve: each has the other duty together with its maker."""
    others = registry.holders(scope) - {actor}
    for client, duty in sorted(_duties(registry, intents)):
        taken = _pairs(registry, client, _OTHER[duty])
        if others and all(frozenset({actor, other}) in taken for other in others):
            done = _done(registry, client, _OTHER[duty])
            raise RegistryError(
                f"officers: {registry.person_name(actor)} has {done} together with every other officer, so nobody "
                f"could approve this; name a third officer with issue_key, or set {_SETTING.name.lower()} to 1"
            )


def _duties(registry: Registry, intents: Iterable[Intent]) -> set[tuple[int, Duty]]:
    """The clients whom a change makes eligible or whose money it records; none where one pair may do both."""
    if not registry.is_governed or registry.known_value(Intent(K.VENUE_SET, int(_SETTING))):
        return set()
    found: set[tuple[int, Duty]] = set()
    for intent in intents:
        if intent.kind in _MONEY:
            found.add((_client_of(registry, intent.account_slot), "money"))
        elif _grants(registry, intent):
            found.update((client, "grant") for client in _clients_of(registry, intent))
    return found


def _grants(registry: Registry, intent: Intent) -> bool:
    is_one = intent.kind == K.PERSON_SET or (intent.kind == K.ACCOUNT_SET and intent.code in _GRANTING)
    return is_one and needs_second_person(intent, registry.known_value(intent))


def _clients_of(registry: Registry, intent: Intent) -> list[int]:
    """The clients that a grant is about: that of the account, or those whose keys the person holds."""
    if intent.kind == K.ACCOUNT_SET:
        return [_client_of(registry, intent.account_slot)]
    query = "SELECT DISTINCT client_id FROM accounts JOIN keys ON account_slot = slot WHERE person = ?"
    return [client for (client,) in registry.all(query, intent.person)]


def _client_of(registry: Registry, account_slot: int) -> int:
    found = registry.one("SELECT client_id FROM accounts WHERE slot = ?", account_slot)
    return int(found[0]) if found else 0


def _pairs(registry: Registry, client: int, duty: Duty) -> set[frozenset[int]]:
    """The pairs that have a duty of a client."""
    query = _PAIRS[duty]
    return {frozenset(pair) for pair in registry.all(query, *[client] * query.count("?"))}


def _done(registry: Registry, client: int, duty: Duty) -> str:
    name = registry.one("SELECT name FROM clients WHERE id = ?", client)[0]
    return _DONE[duty].format(name)
