"""Which clients a change touches, and whether they are frozen: both officers are told, before and after they decide.

A freeze outlives the closing of accounts and binds those opened later, so what looks like a routine change of one
account may be the way in which money or risk of a frozen client would move.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.codes import AccountAttribute, ClientAttribute
from gateway.registry.clients import client_value
from gateway.registry.registry import Registry


def frozen_clients(registry: Registry, params: Mapping[str, Any]) -> list[str]:
    """The frozen clients that a change with these parameters touches, by name."""
    touched = set(_touched(registry, {name: str(value) for name, value in params.items() if value is not None}))
    return sorted(client for client in touched if client_value(registry, client, ClientAttribute.FROZEN))


def _touched(registry: Registry, given: Mapping[str, str]) -> Iterator[str]:
    clients = {account.name: account.client for account in registry.accounts()}
    names = [given[field] for field in ("account", "parent") if field in given]
    if given.get("target") == "account":
        names.append(given["name"])
    owners = [given[field] for field in ("client",) if field in given]
    if given.get("target") == "client":
        owners.append(given["name"])
    yield from (clients[name] for name in names if name in clients)
    yield from (name for name in [*owners, *names] if name in clients.values())
    group = given.get("group") or (given.get("name") if given.get("target") == "group" else None)
    if group and group != "0":
        members = registry.accounts_with(AccountAttribute.GROUP, int(group), int(group))
        yield from (registry.client_of(slot) for slot, _ in members)
    yield from _of_keys(registry, given)


def _of_keys(registry: Registry, given: Mapping[str, str]) -> Iterator[str]:
    """The clients whose accounts a person's keys, or one key, act for."""
    person, key_id = given.get("person"), given.get("key")
    for key in registry.keys() if person or key_id else ():
        named = key.id == key_id or registry.person_name(key.person) == person
        if named and not key.is_officers:
            yield registry.client_of(key.account_slot)
