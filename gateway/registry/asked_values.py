"""What was last asked for of many accounts and persons, some rows at a time: by value, or by number."""

from engine.code_values import COMMAND_ACCOUNT_SET, COMMAND_PERSON_SET
from engine.codes import NIL, AccountAttribute
from gateway.registry.registry import Registry

_LATER = f"""SELECT 1 FROM intents AS later WHERE kind = {COMMAND_ACCOUNT_SET} AND account_slot = one.account_slot AND
    contract_slot = one.contract_slot AND code = one.code AND item = one.item AND person = one.person AND
    number > one.number AND coalesce(reason, 0) = 0"""
_ASKED = f"""SELECT value, number, account_slot, coalesce(reason, 0) = 0 AND NOT EXISTS ({_LATER}) FROM intents AS one
    WHERE kind = {COMMAND_ACCOUNT_SET} AND code = ? AND """
_IN_ORDER = " ORDER BY value, number LIMIT ?"
_OF_PERSON = f"""SELECT value FROM intents WHERE kind = {COMMAND_PERSON_SET} AND account_slot = {NIL} AND
    contract_slot = {NIL} AND code = 0 AND item = 0 AND person = persons.id AND coalesce(reason, 0) = 0
    ORDER BY number DESC LIMIT 1"""
_PERSONS = f"""SELECT id, ({_OF_PERSON}) FROM persons WHERE id > ? AND
    EXISTS (SELECT 1 FROM keys WHERE person = persons.id) ORDER BY id LIMIT ?"""

Asked = tuple[int, int, int, bool]
"""Value, number of the intent, slot of the account, and whether nothing else was asked for there since."""


def asked_between(
    registry: Registry, attribute: AccountAttribute, after: tuple[int, int], most: int, count: int
) -> list[Asked]:
    """Where an attribute was set, in order of value and number: behind (value, number), up to a value, so many at most.

    Two questions, as each of them is answered by the index alone, however many rows have one value.
    """
    code, (value, number) = int(attribute), after
    found = registry.all(f"{_ASKED} value = ? AND number > ? {_IN_ORDER}", code, value, number, count)
    left = count - len(found)
    if left:
        found += registry.all(f"{_ASKED} value > ? AND value <= ? {_IN_ORDER}", code, value, most, left)
    return found


def knowledge_after(registry: Registry, person: int, count: int) -> list[tuple[int, int | None]]:
    """(number, until when the knowledge of derivatives counts, in ns) of persons with a key, behind a number."""
    return registry.all(_PERSONS, person, count)
