"""Changes about suspected abuse, under the scope compliance: the plan of each."""

from datetime import timedelta

from engine.codes import AccountAttribute, CommandKind, Restriction
from gateway.office import officer_params as m
from gateway.office.changes.plan import Lookup, Plan
from gateway.registry.registry import Account, Intent, Record, RegistryError
from gateway.surveillance import thresholds
from gateway.wire import civil_dates

MOST_DAYS = 28
"""So long at most may a suspended account be kept from reducing, today included: nobody is trapped by an oversight. The
figure is the venue's own; two officers may decide again."""
_UNTIL = AccountAttribute.REDUCING_STOPPED_UNTIL_NS


def stop_reducing(lookup: Lookup, params: m.StopReducing) -> Plan:
    """A suspended account may not even reduce through a day, or from now on it may again: both take two persons."""
    accounts = lookup.chosen(params.account, params.client)
    if params.valid_through is None:
        return _of_each(lookup, accounts, 0, "")
    last = lookup.last_day(params.valid_through)
    latest = lookup.today + timedelta(MOST_DAYS - 1)
    if last > latest:
        raise RegistryError(f"valid_through: {last} is too far; {latest} is the last of {MOST_DAYS} days from today")
    for account in accounts:
        if lookup.registry.attribute(account.slot, AccountAttribute.RESTRICTION) != Restriction.SUSPENDED:
            raise RegistryError(f"account: {account.name} is not suspended; suspend it first with set_restriction")
    return _of_each(lookup, accounts, civil_dates.lapse_ns(last), str(last))


def _of_each(lookup: Lookup, accounts: list[Account], until_ns: int, through: str) -> Plan:
    details = {"reducing": "stopped" if until_ns else "allowed"}
    records = [
        Record("suspension", account_slot=account.slot, details=details, valid_through=through) for account in accounts
    ]
    return Plan(lookup.set_all(accounts, {_UNTIL: until_ns}), records)


def set_surveillance_threshold(lookup: Lookup, params: m.SetSurveillanceThreshold) -> Plan:
    """One threshold of surveillance, for everything that is looked at from then on."""
    thresholds.check(params.threshold, params.value)
    number = thresholds.NUMBERS[params.threshold]
    return Plan([Intent(CommandKind.VENUE_SET, int(thresholds.CODE), item=number, value=params.value)])
