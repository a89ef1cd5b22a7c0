"""Accounts of the venue's own people: marked, and held to reducing until the venue has permitted them.

The mark is an entry in the client's file. What the engine sees is the restriction REDUCE_ONLY on the client's accounts,
so replay proves by the change's number why such an account could not open.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from engine.codes import AccountAttribute, Restriction
from gateway.registry.clients import latest_record
from gateway.registry.registry import Account, Registry, RegistryError


class Employment(NamedTuple):
    """What the latest entry says; a client without one is no employee."""

    is_employee: bool = False
    is_permitted: bool = False

    @property
    def may_open(self) -> bool:
        """Whether the mark leaves opening positions free."""
        return not self.is_employee or self.is_permitted


def employment_of(registry: Registry, client_id: int) -> Employment:
    """The latest entry of a client."""
    record = latest_record(registry, client_id, "employment")
    return Employment(**{name: record.details[name] for name in Employment._fields}) if record else Employment()


def least_restriction(registry: Registry, client: str) -> int:
    """The mildest restriction that an account of this client may have; a new client has none."""
    found = registry.one("SELECT id FROM clients WHERE name = ?", client)
    free = found is None or employment_of(registry, found[0]).may_open
    return int(Restriction.NONE if free else Restriction.REDUCE_ONLY)


def check_restriction(registry: Registry, accounts: Iterable[Account], restriction: int) -> None:
    """Refuse to lift the restriction of an employee's account that is not permitted."""
    for account in accounts:
        if restriction < least_restriction(registry, account.client):
            why = f"{account.client} is an employee and not permitted to open positions"
            raise RegistryError(f"restriction: {why}; lionrock admin record-employment says when it is")


def restrictions(registry: Registry, accounts: list[Account], employment: Employment) -> dict[int, int]:
    """The restriction of each account, by slot, that goes with an entry.

    A mark only tightens. Permission gives back what officers had put on the client's accounts, never less.
    """
    found: dict[int, int] = {}
    for account in accounts:
        present = registry.attribute(account.slot, AccountAttribute.RESTRICTION) or 0
        if not employment.may_open:
            found[account.slot] = max(present, int(Restriction.REDUCE_ONLY))
        elif present == Restriction.REDUCE_ONLY:
            found[account.slot] = min(present, max(_put_by_officers(registry, other) for other in accounts))
        if found.get(account.slot) == present:
            del found[account.slot]
    return found


def _put_by_officers(registry: Registry, account: Account) -> int:
    found: Any = registry.one(
        "SELECT coalesce(json_extract(details, '$.restriction'), 'reduce_only') FROM records WHERE account_slot = ? "
        "AND topic IN ('restriction', 'affiliate_suspension') "
        "AND change NOT IN (SELECT change FROM intents WHERE reason > 0) ORDER BY number DESC LIMIT 1",
        account.slot,
    )
    # A file of an earlier version has cancel_only, which is now called suspended.
    if not found:
        return 0
    (name,) = found
    return int(Restriction.__members__.get(name.upper(), Restriction.SUSPENDED))
