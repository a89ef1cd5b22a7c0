"""Corporations that are treated as professional investors in full: how long their assessment holds, and its end.

An assessment covers a product and ends when the client has not traded in it for two years, counted from the later of
the assessment and the last trade. The venue notes the last day of trade of each such client daily, and takes the class
back by a directive in the log when the two years are over; a new assessment restores it.
"""

from collections.abc import Iterator
from datetime import date

import msgspec

from engine.codes import AccountAttribute, CommandKind, InvestorClass, Restriction
from gateway.registry.asked_values import asked_between
from gateway.registry.clients import latest_record, open_accounts
from gateway.registry.registry import Intent, Record, Registry
from gateway.wire.civil_dates import add_months, civil_date

REASSESS_MONTHS = 24
TOPIC = "assessment"
ENDED = "assessment_ended"
"""The kind of the venue's own change that takes the class back."""
_AT_ONCE = 1000
_QUALIFIED = int(InvestorClass.QUALIFIED_CORPORATE)


def last_day(registry: Registry, client: str) -> date | None:
    """The last day on which a client's assessment holds; None without one, and once the venue has ended it."""
    record = latest_record(registry, registry.client_id(client), TOPIC)
    if record is None or "assessor" not in record.details:
        return None
    slots = [account.slot for account in registry.accounts_of(client)]
    places = ", ".join("?" * len(slots))
    traded = registry.one(f"SELECT max(day) FROM last_trades WHERE account_slot IN ({places})", *slots)[0]
    assessed = date.fromisoformat(record.details["document_date"])
    return add_months(max(assessed, date.fromisoformat(traded)) if traded else assessed, REASSESS_MONTHS)


def class_of(registry: Registry, client: str, today: date) -> InvestorClass:
    """What a corporation with evidence is today: qualified while its assessment holds."""
    last = last_day(registry, client)
    is_held = last is not None and last >= today
    return InvestorClass.QUALIFIED_CORPORATE if is_held else InvestorClass.CORPORATE


def held(registry: Registry, count: int) -> Iterator[list[tuple[date, str]]]:
    """(last day, client) of the assessments in use, of so many accounts of the class at a time."""
    seen: set[str] = set()
    after = _QUALIFIED, 0
    while rows := asked_between(registry, AccountAttribute.INVESTOR_CLASS, after, _QUALIFIED, count):
        after = rows[-1][:2]
        slots = [slot for _, _, slot, is_last in rows if is_last and not _is_closed(registry, slot)]
        clients = sorted({registry.client_of(slot) for slot in slots} - seen)
        seen.update(clients)
        yield [(last, client) for client in clients if (last := last_day(registry, client)) is not None]


def _is_closed(registry: Registry, slot: int) -> bool:
    return registry.attribute(slot, AccountAttribute.RESTRICTION) == Restriction.CLOSED


def qualified_slots(registry: Registry) -> list[int]:
    """The accounts of the class QUALIFIED_CORPORATE that are not closed."""
    found = registry.accounts_with(AccountAttribute.INVESTOR_CLASS, _QUALIFIED, _QUALIFIED)
    return [slot for slot, _ in found if not _is_closed(registry, slot)]


def note_trade(registry: Registry, account_slot: int, time_ns: int) -> None:
    """Note the day of an account's last trade."""
    query = "INSERT INTO last_trades VALUES (?, ?) ON CONFLICT (account_slot) DO UPDATE SET day = excluded.day"
    with registry.transaction():
        registry.write(query, account_slot, str(civil_date(time_ns)))


def end_lapsed(registry: Registry, now_ns: int) -> int:
    """Take the class back from clients whose two years are over, as the venue itself; how many clients there were."""
    today = civil_date(now_ns)
    lapsed = [(last, client) for found in held(registry, _AT_ONCE) for last, client in found if last < today]
    for last, client in lapsed:
        _end(registry, client, last, now_ns)
    return len(lapsed)


def _end(registry: Registry, client: str, last: date, now_ns: int) -> None:
    reason = f"no trade for {REASSESS_MONTHS} months, through {last}: a new assessment is due"
    params = msgspec.json.encode({"client": client, "reason": reason}).decode()
    accounts = open_accounts(registry, client)
    with registry.transaction():
        number = registry.insert_change((ENDED, params, reason, 0, 0, now_ns, now_ns, "done"))
        with registry.acting(0, 0, number, 0):
            registry.add_intents(
                [
                    Intent(
                        CommandKind.ACCOUNT_SET, int(AccountAttribute.INVESTOR_CLASS), account.slot,
                        value=int(InvestorClass.CORPORATE),
                    )
                    for account in accounts
                ],
                now_ns,
            )  # fmt: skip
            details = {"ended": str(civil_date(now_ns))}
            record = Record(TOPIC, registry.client_id(client), details=details, valid_through=str(last))
            registry.add_record(record, number, now_ns)
        registry.vouch(number, now_ns)
