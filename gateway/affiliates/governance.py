"""Who answers for the conflicts of an affiliated maker, as its approvals name them in the registry."""

from dataclasses import dataclass

from gateway.registry.registry import Registry


@dataclass(frozen=True)
class Governance:
    """The approval of an account for a contract: its days, and what paragraph 7(c) and (d) of the circular ask for.

    `information_barriers_hash` is the SHA-256 of the document on the barriers, `change` the number of the change.
    """

    valid_from: str
    valid_through: str
    responsible_officer: str
    information_barriers_hash: str
    change: int


def governance(registry: Registry, account_slot: int, instrument_name: str, at_ns: int) -> Governance | None:
    """The approval that was recorded last before an instant; None when there is none, or when it was withdrawn."""
    client_id = registry.client_id(registry.client_of(account_slot))
    found = [
        record
        for record in registry.records_of(client_id)
        if record.topic == "approval"
        and (record.account_slot, record.details["instrument_name"]) == (account_slot, instrument_name)
        and record.recorded_ns < at_ns
    ]
    if not found or not found[-1].valid_through:
        return None
    last = found[-1]
    officer = str(last.details["responsible_officer"])
    return Governance(last.details["valid_from"], last.valid_through, officer, last.document_hash, last.change)
