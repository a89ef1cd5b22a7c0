"""A client's file for officers: accounts, what is in force, the records, and when each lapses."""

from typing import Any

from engine.codes import NIL, AccountAttribute, ClientAttribute, InvestorClass, Restriction
from gateway.office.changes.clients import OF_CLIENT
from gateway.office.employment import employment_of
from gateway.office.proposals import Office
from gateway.registry import identities
from gateway.registry.clients import client_value
from gateway.registry.registry import Account, Key, Record, Registry
from gateway.wire import civil_dates

_OF_ACCOUNT = (
    AccountAttribute.RESTRICTION, AccountAttribute.GROUP, AccountAttribute.MAX_OPEN_ORDERS,
    AccountAttribute.MAX_EXPOSURE_MICROS, AccountAttribute.MAX_LEVERAGE, AccountAttribute.KILL_SWITCH,
)  # fmt: skip
_NAMED = {AccountAttribute.INVESTOR_CLASS: InvestorClass, AccountAttribute.RESTRICTION: Restriction}


def client_file(registry: Registry, client: str, now_ns: int) -> dict[str, Any]:
    """Everything that the registry keeps of a client; documents are kept elsewhere, their hashes here."""
    client_id = registry.client_id(client)
    accounts = registry.accounts_of(client)
    slots = {account.slot: account.name for account in accounts}
    keys = [key for account in accounts for key in registry.keys(account.slot)]
    return {
        "client": client,
        "today": str(civil_dates.civil_date(now_ns)),
        **employment_of(registry, client_id)._asdict(),
        "in_force": {code.name.lower(): client_value(registry, client, code) for code in ClientAttribute},
        "accounts": [_account(registry, account, slots) for account in accounts],
        "persons": [
            {
                "person": number,
                "name": registry.person_name(number),
                "documents": identities.documents(registry, number),
            }
            for number in sorted({key.person for key in keys})
        ],
        "keys": [_key(key, slots) for key in keys],
        "records": [_record(registry, record, slots) for record in registry.records_of(client_id)],
    }


def _account(registry: Registry, account: Account, names: dict[int, str]) -> dict[str, Any]:
    parent = names.get(account.parent_slot) if account.parent_slot is not None else None
    in_force = {
        attribute.name.lower().removesuffix("_ns"): _shown(attribute, value)
        for attribute in (*OF_CLIENT, *_OF_ACCOUNT)
        if (value := registry.attribute(account.slot, attribute)) is not None
    }
    return {"slot": account.slot, "name": account.name, "parent": parent, "in_force": in_force}


def _shown(attribute: AccountAttribute, value: int) -> int | str:
    """A date as the last civil day on which it counts, a code as its name, anything else unchanged."""
    if attribute.name.endswith("_UNTIL_NS"):
        return str(civil_dates.last_day_of(value)) if value else "never given"
    kind = _NAMED.get(attribute)
    return kind(value).name.lower() if kind else value


def _key(key: Key, names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": key.id,
        "account": names[key.account_slot],
        "person": key.person,
        "scopes": sorted(key.scopes),
        "label": key.label,
        "is_live": key.revoked_ns is None,
    }


def _record(registry: Registry, record: Record, names: dict[int, str]) -> dict[str, Any]:
    return {
        "number": record.number,
        "topic": record.topic,
        "account": names.get(record.account_slot) if record.account_slot != NIL else None,
        "person": registry.person_name(record.person) or None,
        "details": record.details,
        "valid_through": record.valid_through or None,
        "document_hash": record.document_hash or None,
        "change": record.change,
        "refused": " ".join(reason.name for reason in Office(registry).outcome(record.change).refused) or None,
        "recorded": record.recorded_ns // 1_000_000,
    }
