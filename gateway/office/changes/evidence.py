"""Changes of a client's evidence and standing: figures, ownership, institution, assessment, employment, residence."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from engine.codes import AccountAttribute as A
from engine.codes import InvestorClass
from gateway.office import assessments, employment, owners
from gateway.office import evidence_params as m
from gateway.office.changes.plan import Lookup, Plan, set_attribute
from gateway.office.institution_limbs import LIMBS, check_register, judge_limb
from gateway.office.portfolio import judge
from gateway.office.professional_investor import (
    OTHER_MONTHS,
    EvidenceError,
    hkd_text,
    in_date,
    not_in_future,
    read_amount,
    read_date,
)
from gateway.registry.clients import latest_record
from gateway.registry.names import name_problem
from gateway.registry.registry import Record, RegistryError
from gateway.wire import civil_dates

RESIDENCE_MONTHS = 3
"""How old a proof of residence may be: the venue's policy, no rule's."""
_FIGURES = "figures"


def _in_file(lookup: Lookup, client: str, topic: str, values: dict[A, int], record: dict[str, Any]) -> Plan:
    """These attributes on all of a client's accounts, and an entry in its file."""
    accounts, client_id = lookup.held_accounts(client), lookup.registry.client_id(client)
    return Plan(lookup.set_all(accounts, values), [Record(topic, client_id, **record)])


def _proved(lookup: Lookup, client: str, investor_class: InvestorClass, last: date, record: dict[str, Any]) -> Plan:
    """The class and the day through which evidence proves it; a corporation is qualified while its assessment holds."""
    if investor_class == InvestorClass.CORPORATE:
        investor_class = assessments.class_of(lookup.registry, client, lookup.today)
    values = {A.INVESTOR_CLASS: int(investor_class), A.EVIDENCE_UNTIL_NS: civil_dates.lapse_ns(last)}
    record["details"]["investor_class"] = investor_class.name.lower()
    plan = _in_file(lookup, client, "evidence", values, {**record, "valid_through": str(last)})
    intents, records = owners.ended_with(lookup.registry, client, civil_dates.lapse_ns(last))
    return Plan([*plan.intents, *intents], [*plan.records, *records])


def _told(items: Sequence[Any], counted: Sequence[Fraction] = ()) -> list[dict[str, Any]]:
    """Items as an entry keeps them: what was given, and what each one counts in Hong Kong dollars."""
    found = [{name: value for name, value in msgspec.to_builtins(item).items() if value is not None} for item in items]
    for item, amount in zip(found, counted, strict=False):
        item["counted_hkd"] = hkd_text(amount)
    return found


def record_evidence(lookup: Lookup, params: m.RecordEvidence) -> Plan:
    """What documents prove together: the class, and the day through which all of them count."""
    numbered = list(enumerate(params.items, 1))
    for number, item in numbered:
        if item.party is not None:
            raise EvidenceError(f"item {number}, party: it is for record_ownership; leave it out")
    verdict = judge(params.investor, params.measure, numbered, lookup.today)
    details = {
        "route": _FIGURES, "investor": params.investor, "measure": params.measure,
        "total_hkd": hkd_text(verdict.total_hkd), "items": _told(params.items, verdict.counted_hkd),
    }  # fmt: skip
    return _proved(lookup, params.client, verdict.investor_class, verdict.last_day, {"details": details})


# --- Cap. 571D, section 6(b) and (c) ------------------------------------------------------------------------------


def record_ownership(lookup: Lookup, params: m.RecordOwnership) -> Plan:
    """A corporation that holds investments and is owned by professional investors, or the parent of a corporation."""
    day = lookup.document_day(params.document_date)
    register_last = in_date(day, OTHER_MONTHS, lookup.today)
    if (params.route == "wholly_owned") != (params.business_hash is not None):
        raise RegistryError(
            "business_hash: give it for wholly_owned, whose business is holding investments, and only then"
        )
    if params.route == "holding_parent" and len(params.parties) > 1:
        raise RegistryError("parties: give one for holding_parent: the subsidiary by which it qualifies")
    _check_parts(params.parties)
    _check_items(params.parties, params.items or ())
    days = [_party_last_day(lookup, params, number, party) for number, party in enumerate(params.parties, 1)]
    details = {
        "route": params.route, "document": params.document, "document_date": str(day),
        "business_hash": params.business_hash or "", "items": _told(params.items or ()),
        "parties": [
            {**party, "valid_through": str(last)} for party, last in zip(_told(params.parties), days, strict=True)
        ],
    }  # fmt: skip
    record = {"details": details, "document_hash": params.document_hash}
    return _proved(lookup, params.client, InvestorClass.CORPORATE, min(register_last, *days), record)


def _check_parts(parties: Sequence[m.Party]) -> None:
    """Owners are named once each and own the whole of it; a part that is left over belongs to nobody known."""
    names = [party.client or party.name for party in parties]
    if len(set(names)) < len(names):
        raise RegistryError("parties: name each owner once, with all that it owns")
    percents = [
        Fraction(read_amount(party.percent, f"party {number}, percent")) for number, party in enumerate(parties, 1)
    ]
    if sum(percents) != 100:
        raise RegistryError(f"parties: they own {float(sum(percents)):g} % together, not 100; name every owner")


def _check_items(parties: Sequence[m.Party], items: Sequence[m.Item]) -> None:
    names = {party.name for party in parties if party.client is None}
    for number, item in enumerate(items, 1):
        if item.party is None or item.party not in names:
            told = ", ".join(sorted(name for name in names if name)) or "none here, as clients have their own file"
            raise RegistryError(f"item {number}, party: say whose it is: {told}")


def _party_last_day(lookup: Lookup, params: m.RecordOwnership, number: int, party: m.Party) -> date:
    """The last day on which an owner, or the subsidiary, is what the route needs."""
    where = f"party {number}"
    if (party.client is None) == (party.name is None):
        raise RegistryError(f"{where}, client: give client, or name and investor of one that is no client")
    if party.client is not None:
        if party.investor is not None:
            raise RegistryError(f"{where}, investor: a client's file says what it is; leave it out")
        return _client_last_day(lookup, params, f"{where}, client", party.client)
    if party.investor is None:
        raise RegistryError(f"{where}, investor: it is missing; an institution is made a client first")
    if params.route == "holding_parent" and party.investor != "corporation":
        raise RegistryError(
            f"{where}, investor: {party.investor} is no subsidiary; a holding parent owns a corporation"
        )
    items = [(number, item) for number, item in enumerate(params.items or (), 1) if item.party == party.name]
    if not items:
        raise EvidenceError(f"{where}, name: no item says {party.name}; add its documents")
    try:
        return judge(party.investor, party.measure, items, lookup.today).last_day
    except EvidenceError as error:
        raise error if str(error).startswith("item ") else EvidenceError(f"{where}, {error}") from None


def _client_last_day(lookup: Lookup, params: m.RecordOwnership, where: str, client: str) -> date:
    """The last day of a client's own evidence, which must be in force; the subsidiary's must be figures of its own."""
    if client == params.client:
        raise RegistryError(f"{where}: {client} cannot be its own owner or subsidiary")
    registry = lookup.registry
    slots = [account.slot for account in lookup.accounts_of(client)]
    standing = {attribute: registry.attribute(slots[0], attribute) or 0 for attribute in _STANDING} if slots else {}
    if not standing.get(A.INVESTOR_CLASS) or standing[A.PI_WITHDRAWN]:
        raise RegistryError(f"{where}: {client} is no professional investor here; record its evidence first")
    if standing[A.EVIDENCE_UNTIL_NS] <= lookup.now_ns:
        raise RegistryError(f"{where}: the evidence of {client} has lapsed; record newer evidence first")
    record = latest_record(registry, registry.client_id(client), "evidence")
    if params.route == "holding_parent" and (
        record is None or record.details.get("route") != _FIGURES or record.details["investor"] != "corporation"
    ):
        raise RegistryError(f"{where}: {client} does not qualify as a corporation by figures of its own (section 6(a))")
    return civil_dates.last_day_of(standing[A.EVIDENCE_UNTIL_NS])


_STANDING = (A.INVESTOR_CLASS, A.PI_WITHDRAWN, A.EVIDENCE_UNTIL_NS)


# --- institutions and assessed corporations -------------------------------------------------------------------------


def record_institution(lookup: Lookup, params: m.RecordInstitution) -> Plan:
    """An institution by its limb of the definition in Schedule 1 to the SFO, with that limb's proof."""
    check_register(params.limb, params.register, params.number, params.group_limb)
    proofs = [
        (document.proof, read_date(document.date, f"document {number}, date"))
        for number, document in enumerate(params.documents, 1)
    ]
    last = judge_limb(params.limb, proofs, lookup.today)
    details = {
        "route": "institution", "limb": params.limb, "covers": LIMBS[params.limb].covers,
        "register": params.register or "", "number": params.number or "", "group_limb": params.group_limb or "",
        "documents": _told(params.documents),
    }  # fmt: skip
    return _proved(lookup, params.client, InvestorClass.INSTITUTIONAL, last, {"details": details})


def record_assessment(lookup: Lookup, params: m.RecordAssessment) -> Plan:
    """A corporation that is assessed and consents is treated as a professional investor in full."""
    assessed = in_date(lookup.document_day(params.document_date), assessments.REASSESS_MONTHS, lookup.today)
    consented = read_date(params.consent_date, "consent_date")
    not_in_future(consented, lookup.today, "consent_date")
    problem = name_problem(params.assessor)
    if problem:
        raise RegistryError(f"assessor: {problem}")
    accounts = lookup.accounts_of(params.client)
    known = [lookup.registry.attribute(account.slot, A.INVESTOR_CLASS) or 0 for account in accounts]
    if not known or known[0] not in (InvestorClass.CORPORATE, InvestorClass.QUALIFIED_CORPORATE):
        raise RegistryError(f"client: {params.client} has no evidence as a corporation; record that first")
    fields = ("structure", "background", "awareness", "scope", "markets", "assessor", "explained", "consent_hash")
    details = {name: getattr(params, name) for name in fields}
    details |= {"document_date": params.document_date, "consent_date": str(consented)}
    record = {"details": details, "document_hash": params.document_hash, "valid_through": str(assessed)}
    values = {A.INVESTOR_CLASS: int(InvestorClass.QUALIFIED_CORPORATE)}
    return _in_file(lookup, params.client, assessments.TOPIC, values, record)


# --- employees and residence -----------------------------------------------------------------------------------------


def record_employment(lookup: Lookup, params: m.RecordEmployment) -> Plan:
    """An employee's account is marked; until it is permitted it only reduces."""
    day = lookup.document_day(params.document_date)
    if params.is_permitted and not params.is_employee:
        raise RegistryError("is_permitted: it is for an employee; leave it out")
    entry = employment.Employment(params.is_employee, params.is_permitted)
    wanted = employment.restrictions(lookup.registry, lookup.accounts_of(params.client), entry)
    details = {**entry._asdict(), "document_date": str(day)}
    client_id = lookup.registry.client_id(params.client)
    before = employment.employment_of(lookup.registry, client_id)
    record = Record("employment", client_id, details=details, document_hash=params.document_hash)
    intents = [set_attribute(slot, A.RESTRICTION, value) for slot, value in wanted.items()]
    return Plan(intents, [record], loosens=entry.may_open and before.is_employee)


def record_jurisdiction(lookup: Lookup, params: m.RecordJurisdiction) -> Plan:
    """Where the client lives, and whether the venue may serve it there."""
    given = {name: getattr(params, name) for name in ("document", "document_date", "document_hash")}
    if params.is_permitted and None in given.values():
        missing = next(name for name, value in given.items() if value is None)
        raise RegistryError(f"{missing}: it is missing; a residence is permitted on a proof of it")
    if len({value is None for value in given.values()}) > 1:
        raise RegistryError("document: give document, document_date and document_hash together, or none")
    details = {"residence": params.residence, "is_permitted": params.is_permitted}
    if params.document_date is not None:
        day = read_date(params.document_date, "document_date")
        in_date(day, RESIDENCE_MONTHS, lookup.today)
        details |= {"document": params.document, "document_date": str(day)}
    values = {A.JURISDICTION_PERMITTED: int(params.is_permitted)}
    record = {"details": details, "document_hash": params.document_hash or ""}
    return _in_file(lookup, params.client, "jurisdiction", values, record)
