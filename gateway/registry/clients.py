"""What is set on a client, and whose the accounts are, as the log was last asked to know it."""

from engine.code_values import COMMAND_ACCOUNT_SET
from engine.codes import AccountAttribute, ClientAttribute, CommandKind, Restriction
from gateway.registry.registry import Intent, Registry


def client_value(registry: Registry, client: str, attribute: ClientAttribute) -> int:
    """The value that was last asked for on a client, 0 before one."""
    intent = Intent(CommandKind.CLIENT_SET, int(attribute), item=registry.client_id(client))
    return registry.known_value(intent) or 0


def unbound_accounts(registry: Registry) -> list[tuple[int, int, int]]:
    """(slot, number of the client, restriction) of the accounts whose client the log was not told yet.

    The restriction of a closed account is the one that it had before.
    """
    asked = f"intents WHERE kind = {COMMAND_ACCOUNT_SET} AND account_slot = slot AND coalesce(reason, 0) = 0"
    query = (
        f"SELECT slot, client_id, coalesce((SELECT value FROM {asked} AND code = ? AND value != ? ORDER BY number "
        f"DESC LIMIT 1), 0) FROM accounts WHERE NOT EXISTS (SELECT 1 FROM {asked} AND code = ?) ORDER BY slot"
    )
    codes = int(AccountAttribute.RESTRICTION), int(Restriction.CLOSED), int(AccountAttribute.CLIENT)
    return registry.all(query, *codes)
