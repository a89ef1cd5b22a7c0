"""The list of clients, as officers look through it: who they are, what they may do, and what lapses first."""

from collections.abc import Iterator
from typing import Any

from engine.codes import AccountAttribute, ClientAttribute, InvestorClass, Restriction
from gateway.registry.clients import client_value
from gateway.registry.registry import Registry
from gateway.registry.required_attributes import DATED, GIVEN
from gateway.wire import civil_dates

SCANNED = 300
"""So many names are looked at between two pauses: some tenths of a millisecond."""
_NAMES = """
    SELECT clients.name, coalesce(group_concat(accounts.name, char(10)), '') FROM clients
    LEFT JOIN accounts ON accounts.client_id = clients.id
    WHERE clients.name > ? GROUP BY clients.name ORDER BY clients.name LIMIT ?
"""


def client_rows(registry: Registry, part: str, after: str, count: int, now_ns: int) -> Iterator[dict[str, Any] | None]:
    """So many clients by name, behind a name, with a part in their name or an account's; None: some were looked at."""
    wanted = part.casefold()
    while found := registry.all(_NAMES, after, SCANNED):
        for name, accounts in found:
            if wanted in name.casefold() or wanted in accounts.casefold():
                yield _row(registry, name, now_ns)
                count -= 1
                if not count:
                    return
        after = found[-1][0]
        yield None


def _row(registry: Registry, client: str, now_ns: int) -> dict[str, Any]:
    accounts = registry.accounts_of(client)
    held = {account: registry.attribute(account.slot, AccountAttribute.RESTRICTION) or 0 for account in accounts}
    first = accounts[0].slot if accounts else None
    given = {attribute: registry.attribute(first, attribute) or 0 if first is not None else 0 for attribute in GIVEN}
    ends = {_topic(attribute): given[attribute] for attribute in DATED if given[attribute]}
    topic = min(ends, key=lambda name: ends[name], default=None)
    last_day = civil_dates.last_day_of(ends[topic]) if topic else None
    investor = registry.attribute(first, AccountAttribute.INVESTOR_CLASS) if first is not None else None
    return {
        "client": client,
        "accounts": [
            {"account": account.name, "restriction": Restriction(value).name.lower()} for account, value in held.items()
        ],
        "investor_class": InvestorClass(investor or 0).name.lower(),
        "is_frozen": bool(client_value(registry, client, ClientAttribute.FROZEN)),
        "is_killed": bool(client_value(registry, client, ClientAttribute.KILL_SWITCH)),
        "missing": [_topic(attribute) for attribute, value in given.items() if not value],
        "lapses_first": topic,
        "valid_through": str(last_day) if last_day else None,
        "days_left": (last_day - civil_dates.civil_date(now_ns)).days if last_day else None,
    }


def _topic(attribute: AccountAttribute) -> str:
    return attribute.name.lower().removesuffix("_until_ns")
