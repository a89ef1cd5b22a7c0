"""Changes of affiliated makers, under the scope compliance: what they are approved for, and their suspension."""

from dataclasses import replace

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, CommandKind, Restriction
from gateway.office import officer_params as m
from gateway.office.changes.plan import Lookup, Plan, set_attribute
from gateway.office.professional_investor import read_date
from gateway.registry.registry import Account, Intent, Record, RegistryError
from gateway.wire import civil_dates

_GOVERNANCE = ("responsible_officer", "information_barriers_hash")
"""What an approval names by paragraph 7(c) and (d) of the circular."""


def approve_affiliate(lookup: Lookup, params: m.ApproveAffiliate) -> Plan:
    """A group company may trade one contract from a day through a day; without a last day the approval ends now.

    An approval names the responsible officer for conflicts, who trades for no account of that company, and the document
    on the information barriers (SFC circular 26EC6 of 11 February 2026, paragraph 7(c) and (d)).
    """
    account, contract = lookup.account(params.account), lookup.contract(params.instrument_name)
    start, until = 0, 0
    _check_governance(lookup, params, account)
    if params.valid_through is not None:
        first = read_date(params.valid_from, "valid_from") if params.valid_from else lookup.today
        last = lookup.last_day(params.valid_through)
        if first > last:
            raise RegistryError(f"valid_from: {first} is after valid_through {last}")
        start, until = civil_dates.start_ns(first), civil_dates.lapse_ns(last)
    elif params.valid_from is not None:
        raise RegistryError("valid_through: it is missing; leave out valid_from too to withdraw the approval")
    intent = _approval(account.slot, contract.slot, until, start)
    details = {"instrument_name": contract.name, "valid_from": params.valid_from or ""}
    if params.responsible_officer is not None:
        details["responsible_officer"] = " ".join(params.responsible_officer.split())
    record = Record(
        "approval", account_slot=account.slot, details=details, valid_through=params.valid_through or "",
        document_hash=params.information_barriers_hash or "",
    )  # fmt: skip
    return Plan([intent], [record])


def _approval(account_slot: int, contract_slot: int, until_ns: int = 0, from_ns: int = 0) -> Intent:
    kind = CommandKind.AFFILIATE_APPROVAL
    return Intent(kind, account_slot=account_slot, contract_slot=contract_slot, value=until_ns, source_time_ns=from_ns)


def _check_governance(lookup: Lookup, params: m.ApproveAffiliate, account: Account) -> None:
    """An approval names who answers for conflicts and what keeps information apart; a withdrawal needs neither."""
    for name in _GOVERNANCE:
        given, approves = getattr(params, name) is not None, params.valid_through is not None
        if given != approves:
            remedy = "an approval names it" if approves else "leave it out to withdraw the approval"
            raise RegistryError(f"{name}: it is {'missing' if approves else 'given without valid_through'}; {remedy}")
    if params.responsible_officer is None:
        return
    officer = _plain(params.responsible_officer)
    if not officer:
        raise RegistryError("responsible_officer: it is blank; name the person who answers for conflicts")
    registry = lookup.registry
    for own in registry.accounts_of(account.client):
        if officer in (_plain(registry.person_name(key.person)) for key in registry.keys(own.slot)):
            raise RegistryError(
                f"responsible_officer: {params.responsible_officer[:64]} holds a key of account {own.name}; name one "
                "who does not trade for the affiliate"
            )


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def suspend_affiliate(lookup: Lookup, params: m.SuspendAffiliate) -> Plan:
    """A group company stops at once: its approvals end, all its orders are cancelled, its accounts may only reduce.

    One officer does it. To lift it two officers set the restriction to none and approve each contract anew.
    """
    registry, plan = lookup.registry, Plan()
    accounts = registry.accounts_of(params.client)
    if all(registry.attribute(account.slot, A.AFFILIATION) != Affiliation.GROUP_COMPANY for account in accounts):
        raise RegistryError(
            f"client: {params.client[:64]} is no group company; stop a client with kill-switch or set-restriction"
        )
    for account in accounts:
        restriction = registry.attribute(account.slot, A.RESTRICTION) or Restriction.NONE
        if restriction == Restriction.CLOSED:
            continue
        ended = [
            _approval(account.slot, contract.slot)
            for contract in registry.contracts()
            if (registry.known_value(_approval(account.slot, contract.slot)) or 0) > lookup.now_ns
        ]
        strictest = set_attribute(account.slot, A.RESTRICTION, max(restriction, Restriction.REDUCE_ONLY))
        plan.intents += [replace(strictest, sweeps=True), *ended]
        details = {"approvals_ended": len(ended)}
        plan.records.append(Record("affiliate_suspension", account_slot=account.slot, details=details))
    return plan
