"""Changes of clients and their accounts, under the scope compliance: the plan of each."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, CommandKind, MarketState, Restriction, VenueState
from engine.codes import ClientAttribute as C
from gateway.office import disclosures, employment, owners
from gateway.office import officer_params as m
from gateway.office.changes.plan import Lookup, Plan, micros, set_attribute, set_client, units_of
from gateway.office.professional_investor import CONFIRMATION_MONTHS, in_date
from gateway.registry.clients import client_value, last_restriction, open_accounts
from gateway.registry.registry import Account, Intent, Record, Registry, RegistryError
from gateway.registry.required_attributes import DISCLOSURES, GIVEN
from gateway.wire import civil_dates

OF_CLIENT = (A.INVESTOR_CLASS, *GIVEN, A.PI_WITHDRAWN, A.AFFILIATION)
"""Attributes of the client, the same on all its open accounts. An account that is opened later begins with them, with
the self-trade group, as the owner is the same, and with the strictest restriction of any of them. When all were closed,
what is in force of the client is not known from then on: what lets it open is not inherited. What is set on the client
itself (freeze, kill switch, exposure limit) the engine knows to hold for it."""
_HELD_AGAINST = (A.PI_WITHDRAWN, A.AFFILIATION)


def _of_client(lookup: Lookup, params: Any, topic: str, values: dict[A, int], **details: Any) -> Plan:
    """A change of a client: these attributes on all its accounts, and an entry in its file."""
    accounts = lookup.held_accounts(params.client)
    through = str(details.pop("valid_through", ""))
    dated = getattr(params, "document_date", None)
    if dated is not None:
        details["document_date"] = str(lookup.document_day(dated))
    document_hash = getattr(params, "document_hash", "")
    client_id = lookup.registry.client_id(params.client)
    record = Record(topic, client_id, details=details, document_hash=document_hash, valid_through=through)
    return Plan(lookup.set_all(accounts, values), [record])


def open_account(lookup: Lookup, params: m.OpenAccount) -> Plan:
    """An account of class NONE for a new client; a known client's has the client's attributes from the start."""
    registry, now_ns = lookup.registry, lookup.now_ns
    registry.check_new_account(params.account, params.parent or "", params.client or "")
    client = params.client or params.account
    if params.parent:
        client = registry.client_of(lookup.account(params.parent).slot)
    known = registry.accounts_of(client)
    held = open_accounts(registry, client)
    slot = registry.next_account_slot()
    inherited = [
        set_attribute(slot, attribute, value)
        for attribute in (*(OF_CLIENT if held else _HELD_AGAINST), A.GROUP)
        for like in (held or known[-1:])[:1]
        if (value := registry.attribute(like.slot, attribute)) is not None
    ]
    strictest = max(_strictest(registry, known), employment.least_restriction(registry, client))
    inherited += [set_attribute(slot, A.RESTRICTION, value) for value in [strictest] if value]
    write = lambda: registry.create_account(params.account, now_ns, client, params.parent or "")  # noqa: E731
    return Plan(inherited, writes=[write])


def _strictest(registry: Registry, accounts: Iterable[Account]) -> int:
    """The strictest restriction on any of these accounts; of a closed one the one before, as closing lifts nothing."""
    return max((last_restriction(registry, account.slot) for account in accounts), default=0)


def record_confirmation(lookup: Lookup, params: m.RecordConfirmation) -> Plan:
    """The yearly confirmation counts for 12 months from its date."""
    day = lookup.document_day(params.document_date)
    last = in_date(day, CONFIRMATION_MONTHS, lookup.today)
    values = {A.CONFIRMATION_UNTIL_NS: civil_dates.lapse_ns(last)}
    return _of_client(lookup, params, "confirmation", values, valid_through=last)


def record_knowledge(lookup: Lookup, params: m.RecordKnowledge) -> Plan:
    """Knowledge of derivatives is a person's and has a last day; knowledge of virtual assets is the client's."""
    day = lookup.document_day(params.document_date)
    if params.subject == "virtual_assets":
        if params.client is None or params.person is not None or params.valid_through is not None:
            raise RegistryError("client: knowledge of virtual_assets is a client's: give client, no person or last day")
        return _of_client(lookup, params, "knowledge", {A.VA_KNOWLEDGE: 1}, subject=params.subject)
    if params.person is None or params.client is not None or params.valid_through is None:
        raise RegistryError("person: knowledge of derivatives is a person's: give person and valid_through, no client")
    last = lookup.last_day(params.valid_through)
    person = lookup.registry.known_person(params.person)
    details = {"subject": params.subject, "document_date": str(day)}
    record = Record(
        "knowledge", person=person, details=details, document_hash=params.document_hash, valid_through=str(last)
    )
    return Plan([Intent(CommandKind.PERSON_SET, person=person, value=civil_dates.lapse_ns(last))], [record])


def record_agreement(lookup: Lookup, params: m.RecordAgreement) -> Plan:
    """The client agreement is signed."""
    return _of_client(lookup, params, "agreement", {A.AGREEMENT: 1}, version=params.version)


def record_risk_profile(lookup: Lookup, params: m.RecordRiskProfile) -> Plan:
    """Whether the product suits the client."""
    value = int(params.is_suitable)
    return _of_client(lookup, params, "risk_profile", {A.RISK_PROFILE: value}, is_suitable=params.is_suitable)


def record_disclosure(lookup: Lookup, params: m.RecordDisclosure) -> Plan:
    """A version of a disclosure that the client has acknowledged on paper."""
    values = {DISCLOSURES[params.disclosure]: params.version}
    sha256 = disclosures.acknowledged_sha256(lookup.registry, params.disclosure, params.version, lookup.today)
    return _of_client(
        lookup, params, "disclosure", values, disclosure=params.disclosure, version=params.version, text_sha256=sha256
    )


def record_kyc(lookup: Lookup, params: m.RecordKyc) -> Plan:
    """The client is identified; it counts through a day."""
    last = lookup.last_day(params.valid_through)
    return _of_client(lookup, params, "kyc", {A.KYC_UNTIL_NS: civil_dates.lapse_ns(last)}, valid_through=last)


def record_screening(lookup: Lookup, params: m.RecordScreening) -> Plan:
    """The client was screened: clear counts through a day, a hit ends what was in force at once."""
    if params.outcome == "hit":
        if params.valid_through is not None:
            raise RegistryError("valid_through: a hit has no last day; leave it out")
        return _of_client(lookup, params, "screening", {A.SCREENING_UNTIL_NS: 0}, outcome=params.outcome)
    if params.valid_through is None:
        raise RegistryError("valid_through: it is missing; a clear screening counts through a day")
    last = lookup.last_day(params.valid_through)
    values = {A.SCREENING_UNTIL_NS: civil_dates.lapse_ns(last)}
    return _of_client(lookup, params, "screening", values, outcome=params.outcome, valid_through=last)


def withdraw_status(lookup: Lookup, params: m.WithdrawStatus) -> Plan:
    """The client no longer wants to be treated as a professional investor, nor is who is one by its ownership."""
    plan = _of_client(lookup, params, "status", {A.PI_WITHDRAWN: 1}, status="withdrawn")
    intents, records = owners.ended_with(lookup.registry, params.client, 0)
    return Plan([*plan.intents, *intents], [*plan.records, *records])


def restore_status(lookup: Lookup, params: m.RestoreStatus) -> Plan:
    """The client consents to the status again, in writing."""
    return _of_client(lookup, params, "status", {A.PI_WITHDRAWN: 0}, status="restored")


def set_affiliation(lookup: Lookup, params: m.SetAffiliation) -> Plan:
    """What the client is to the operator."""
    values = {A.AFFILIATION: int(Affiliation[params.affiliation.upper()])}
    return _of_client(lookup, params, "affiliation", values, affiliation=params.affiliation)


# --- single accounts ----------------------------------------------------------------------------------------------


def _of_account(lookup: Lookup, account: str, intents: list[Intent], topic: str, **details: Any) -> Plan:
    return Plan(intents, [Record(topic, account_slot=lookup.account(account).slot, details=details)])


def set_restriction(lookup: Lookup, params: m.SetRestriction) -> Plan:
    """What one account, or every account of a client, may do at all; lifting a suspension lets it reduce again too.

    A freeze is always the client's: it holds for accounts that are closed or opened later too, and ends only with a
    change that names the client.
    """
    accounts, restriction = lookup.chosen(params.account, params.client), Restriction[params.restriction.upper()]
    client = params.client or accounts[0].client
    if restriction == Restriction.FROZEN:
        return _freeze(lookup, client, params.restriction)
    lifts = restriction == Restriction.NONE and client_value(lookup.registry, client, C.FROZEN) != 0
    if lifts and params.account and not lookup.registry.attribute(accounts[0].slot, A.RESTRICTION):
        raise RegistryError(f"account: it has none of its own; the freeze is {client}'s: give client to lift it")
    if not accounts and not lifts:
        raise RegistryError(f"client: {client!r} has no open account; only a freeze holds without one")
    if not lifts:
        employment.check_restriction(lookup.registry, accounts, restriction)
    details = {"restriction": params.restriction}
    records = [Record("restriction", account_slot=account.slot, details=details) for account in accounts]
    value = max(int(restriction), employment.least_restriction(lookup.registry, client))
    intents = lookup.set_all(accounts, {A.RESTRICTION: value})
    if restriction < Restriction.SUSPENDED:
        stopped = [account for account in accounts if lookup.registry.attribute(account.slot, _STOPPED)]
        intents += lookup.set_all(stopped, {_STOPPED: 0})
    if lifts and params.client:
        freeze = _freeze(lookup, client, params.restriction)
        return Plan([*freeze.intents, *intents], [*freeze.records, *records])
    return Plan(intents, records)


_STOPPED = A.REDUCING_STOPPED_UNTIL_NS


def _freeze(lookup: Lookup, client: str, restriction: str) -> Plan:
    """A client is frozen, or with any other word no longer."""
    client_id = lookup.registry.client_id(client)
    record = Record("restriction", client_id, details={"restriction": restriction})
    return Plan([set_client(client_id, C.FROZEN, int(restriction == "frozen"))], [record])


def set_limits(lookup: Lookup, params: m.SetLimits) -> Plan:
    """The limits that are given; the others stay. A client's exposure limit is for all its accounts together."""
    accounts = lookup.chosen(params.account, params.client)
    if params.client:
        return _limit_client(lookup, params.client, params)
    slot = accounts[0].slot
    values: dict[A, int] = {}
    if params.max_open_orders is not None:
        values[A.MAX_OPEN_ORDERS] = params.max_open_orders
    if params.max_exposure is not None:
        values[A.MAX_EXPOSURE_MICROS] = micros(params.max_exposure, "max_exposure", least=0)
    if params.max_leverage is not None:
        values[A.MAX_LEVERAGE] = params.max_leverage
    if not values:
        raise RegistryError("max_open_orders: give it, max_exposure or max_leverage")
    intents = [set_attribute(slot, attribute, value) for attribute, value in values.items()]
    details = {attribute.name.lower(): value for attribute, value in values.items()}
    return _of_account(lookup, params.account or "", intents, "limits", **details)


def _limit_client(lookup: Lookup, client: str, params: m.SetLimits) -> Plan:
    """A client has an exposure limit; how many orders and which leverage are its accounts'."""
    if params.max_open_orders is not None or params.max_leverage is not None:
        raise RegistryError("client: it has max_exposure alone; give account for max_open_orders or max_leverage")
    if params.max_exposure is None:
        raise RegistryError("max_exposure: it is missing; give the limit of the client, or 0 for none")
    client_id, value = lookup.registry.client_id(client), micros(params.max_exposure, "max_exposure", least=0)
    record = Record("limits", client_id, details={"max_exposure_micros": value})
    return Plan([set_client(client_id, C.MAX_EXPOSURE_MICROS, value)], [record])


def set_group(lookup: Lookup, params: m.SetGroup) -> Plan:
    """The self-trade group that the account belongs to."""
    intent = set_attribute(lookup.account(params.account).slot, A.GROUP, params.group)
    return _of_account(lookup, params.account, [intent], "group", group=params.group)


def set_group_limit(lookup: Lookup, params: m.SetGroupLimit) -> Plan:
    """The largest position of a whole group in one contract."""
    contract = lookup.contract(params.instrument_name)
    lots = units_of(params.max_amount, "max_amount", contract.lot, f"lots of {contract.lot.text(1)}")
    return Plan([Intent(CommandKind.GROUP_SET, contract_slot=contract.slot, item=params.group, value=lots)])


def set_maker_programme(lookup: Lookup, params: m.SetMakerProgramme) -> Plan:
    """The published programme under which an account makes markets; its fees are the published ones for everybody."""
    plan = _of_account(lookup, params.account, [], "maker_programme", programme=params.programme)
    return replace(plan, loosens=params.programme != "none")


# --- the kill switch ----------------------------------------------------------------------------------------------


def kill_switch(lookup: Lookup, params: m.KillSwitch) -> Plan:
    """On: no new orders, and those that rest are cancelled; off puts the rule back to what it was, not the orders."""
    if (params.target == "venue") != (params.name is None):
        raise RegistryError("name: say which account, client, group or contract; the venue has none")
    return _KILLS[params.target](lookup, params)


def _kill_account(lookup: Lookup, params: m.KillSwitch) -> Plan:
    slot = lookup.account(params.name or "").slot
    return _of_account(lookup, params.name or "", [_killed(slot, params.is_on)], "kill_switch", is_on=params.is_on)


def _kill_client(lookup: Lookup, params: m.KillSwitch) -> Plan:
    client_id = lookup.registry.client_id(params.name or "")
    record = Record("kill_switch", client_id, details={"is_on": params.is_on})
    return Plan([set_client(client_id, C.KILL_SWITCH, int(params.is_on))], [record])


def _killed(slot: int, is_on: bool) -> Intent:
    return replace(set_attribute(slot, A.KILL_SWITCH, int(is_on)), sweeps=is_on)


def _kill_group(lookup: Lookup, params: m.KillSwitch) -> Plan:
    name = params.name or ""
    group = int(name) if name.isascii() and name.isdigit() and len(name) < 8 else 0
    members = [slot for slot, _ in lookup.registry.accounts_with(A.GROUP, group, group)] if group else []
    if not members:
        raise RegistryError(f"name: no account is in the self-trade group {name[:20]!r}")
    details = {"is_on": params.is_on, "group": group}
    records = [Record("kill_switch", account_slot=slot, details=details) for slot in members]
    return Plan([_killed(slot, params.is_on) for slot in members], records)


def _kill_contract(lookup: Lookup, params: m.KillSwitch) -> Plan:
    slot = lookup.contract(params.name or "").slot
    state = MarketState.HALTED if params.is_on else lookup.registry.state_before_halt(slot)
    return Plan([Intent(CommandKind.CONTRACT_STATE, int(state), contract_slot=slot, sweeps=params.is_on)])


def _kill_venue(lookup: Lookup, params: m.KillSwitch) -> Plan:
    state = VenueState.HALTED if params.is_on else VenueState.OPEN
    return Plan([Intent(CommandKind.VENUE_STATE, int(state), sweeps=params.is_on)])


_KILLS: dict[str, Callable[[Lookup, m.KillSwitch], Plan]] = {
    "account": _kill_account,
    "client": _kill_client,
    "group": _kill_group,
    "contract": _kill_contract,
    "venue": _kill_venue,
}
