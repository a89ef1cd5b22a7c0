"""What is set on a client, and whose the accounts are, as the log was last asked to know it."""

from engine.code_values import COMMAND_ACCOUNT_SET
from engine.codes import AccountAttribute, ClientAttribute, CommandKind, Restriction
from gateway.registry.records import RECORD_COLUMNS, Record, record_of
from gateway.registry.registry import Account, Intent, Registry


def client_value(registry: Registry, client: str, attribute: ClientAttribute) -> int:
    """The value that was last asked for on a client, 0 before one."""
    intent = Intent(CommandKind.CLIENT_SET, int(attribute), item=registry.client_id(client))
    return registry.known_value(intent) or 0


def open_accounts(registry: Registry, client: str) -> list[Account]:
    """A client's accounts that are not closed, by slot; the log takes nothing more for one that is."""
    code = AccountAttribute.RESTRICTION
    return [one for one in registry.accounts_of(client) if registry.attribute(one.slot, code) != Restriction.CLOSED]


def last_restriction(registry: Registry, account_slot: int) -> int:
    """The restriction of an account, of a closed one that before it was closed."""
    found = registry.one(
        f"SELECT value FROM intents WHERE kind = {COMMAND_ACCOUNT_SET} AND account_slot = ? AND code = ? AND "
        "value != ? AND coalesce(reason, 0) = 0 ORDER BY number DESC LIMIT 1",
        account_slot, int(AccountAttribute.RESTRICTION), int(Restriction.CLOSED),
    )  # fmt: skip
    return int(found[0]) if found else 0


def unbound_accounts(registry: Registry) -> list[tuple[int, int, int]]:
    """(slot, number of the client, restriction) of the accounts whose client the log was not told yet.

    The restriction of a closed account is the one that it had before.
    """
    # Named, because the planner would take the index of the values, and look at all accounts for each account.
    table = "intents INDEXED BY intents_by_place"
    asked = f"{table} WHERE kind = {COMMAND_ACCOUNT_SET} AND account_slot = slot AND coalesce(reason, 0) = 0"
    query = (
        f"SELECT slot, client_id, coalesce((SELECT value FROM {asked} AND code = ? AND value != ? ORDER BY number "
        f"DESC LIMIT 1), 0) FROM accounts WHERE NOT EXISTS (SELECT 1 FROM {asked} AND code = ?) ORDER BY slot"
    )
    codes = int(AccountAttribute.RESTRICTION), int(Restriction.CLOSED), int(AccountAttribute.CLIENT)
    return registry.all(query, *codes)


def latest_record(registry: Registry, client_id: int, topic: str) -> Record | None:
    """A client's latest entry on a topic whose change the engine did not refuse."""
    found = registry.one(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE client_id = ? AND topic = ? AND change NOT IN "
        "(SELECT change FROM intents WHERE reason > 0) ORDER BY number DESC LIMIT 1",
        client_id, topic,
    )  # fmt: skip
    return record_of(found) if found else None
