"""Which clients a change touches, and whether they are frozen: both officers are told, before and after they decide.

A freeze outlives the closing of accounts and binds those opened later, so what looks like a routine change of one
account may be the way in which money or risk of a frozen client would move.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.codes import AccountAttribute, ClientAttribute
from gateway.registry.clients import client_value
from gateway.registry.registry import Registry

_OWNER = "SELECT clients.name FROM accounts JOIN clients ON clients.id = client_id WHERE accounts.name = ?"
_KEYS_OF_PERSON = "SELECT keys.id FROM keys JOIN persons ON persons.id = person WHERE persons.name = ?"


def frozen_clients(registry: Registry, params: Mapping[str, Any]) -> list[str]:
    """The frozen clients that a change with these parameters touches, by name."""
    touched = set(_touched(registry, {name: str(value) for name, value in params.items() if value is not None}))
    return sorted(client for client in touched if client_value(registry, client, ClientAttribute.FROZEN))


def _touched(registry: Registry, given: Mapping[str, str]) -> Iterator[str]:
    names = [given[field] for field in ("account", "parent") if field in given]
    if given.get("target") == "account":
        names.append(given["name"])
    owners = [given[field] for field in ("client",) if field in given]
    if given.get("target") == "client":
        owners.append(given["name"])
    for name in names:
        yield from (client for (client,) in registry.all(_OWNER, name))
    yield from (name for name in [*owners, *names] if registry.accounts_of(name))
    group = given.get("group") or (given.get("name") if given.get("target") == "group" else None)
    if group and group != "0":
        members = registry.accounts_with(AccountAttribute.GROUP, int(group), int(group))
        yield from (registry.client_of(slot) for slot, _ in members)
    yield from _of_keys(registry, given)


def _of_keys(registry: Registry, given: Mapping[str, str]) -> Iterator[str]:
    """The clients whose accounts a person's keys, or one key, act for."""
    key_ids = [given["key"]] if "key" in given else []
    key_ids += [key_id for (key_id,) in registry.all(_KEYS_OF_PERSON, given.get("person", ""))]
    for key in filter(None, map(registry.key, key_ids)):
        if not key.is_officers:
            yield registry.client_of(key.account_slot)
