"""Corporations that are professional investors by their owners: when an owner's own standing ends, theirs ends with it.

What a corporation's evidence rests on is in its latest entry. An owner's evidence that now ends earlier, or a status
that was given up, ends that of the corporation on the same day, and of those that rest on the corporation in turn.
Evidence that grows again gives nothing back: that takes a new entry.
"""

from engine.codes import AccountAttribute, CommandKind
from gateway.registry.clients import latest_record, open_accounts
from gateway.registry.registry import Intent, Record, Registry
from gateway.wire import civil_dates

TOPIC = "owner_ended"
_UNTIL = AccountAttribute.EVIDENCE_UNTIL_NS


def ended_with(registry: Registry, owner: str, until_ns: int) -> tuple[list[Intent], list[Record]]:
    """The directives and entries for those who rest on a client whose standing ends at this instant, 0 for at once."""
    intents: list[Intent] = []
    records: list[Record] = []
    waiting, seen = [owner], {owner}
    while waiting:
        for number, client in _resting_on(registry, waiting.pop()):
            slots = [account.slot for account in open_accounts(registry, client)]
            longer = [slot for slot in slots if (registry.attribute(slot, _UNTIL) or 0) > until_ns]
            if client in seen or not longer:
                continue
            seen.add(client)
            waiting.append(client)
            intents += [Intent(CommandKind.ACCOUNT_SET, int(_UNTIL), slot, value=until_ns) for slot in longer]
            last = str(civil_dates.last_day_of(until_ns)) if until_ns else ""
            records.append(Record(TOPIC, number, details={"owner": owner}, valid_through=last))
    return intents, records


def _resting_on(registry: Registry, owner: str) -> list[tuple[int, str]]:
    """(number, name) of the clients whose latest evidence names this client as a party."""
    rows = registry.all(
        "SELECT DISTINCT clients.id, clients.name FROM records JOIN clients ON clients.id = records.client_id, "
        "json_each(details, '$.parties') AS party WHERE topic = 'evidence' "
        "AND json_extract(party.value, '$.client') = ? ORDER BY clients.id",
        owner,
    )
    return [(number, name) for number, name in rows if _names(latest_record(registry, number, "evidence"), owner)]


def _names(record: Record | None, owner: str) -> bool:
    return record is not None and any(party.get("client") == owner for party in record.details.get("parties", ()))
