"""The other routes of the statute by officers' own changes: ownership, limbs, assessments, employees, residence."""

import json
from datetime import date

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import InvestorClass, Reason, Restriction
from gateway.office import assessments, evidence_params
from gateway.office.client_records import client_file
from gateway.office.institution_limbs import LIMBS
from gateway.office.lapse_list import lapses
from gateway.registry.registry import RegistryError
from gateway.wire.civil_dates import lapse_ns, start_ns
from tests.gateway.office.test_proposals import DAY_NS, HASH, NOW, Venue, evidence

TODAY = "2026-11-26"
REGISTER = {"document": "register_extract", "document_date": "2026-11-20", "document_hash": HASH}
OWNED = {"client": "acme", "route": "wholly_owned", "business_hash": HASH, **REGISTER}
PARENT = {"client": "acme", "route": "holding_parent", **REGISTER}


@pytest.fixture
def venue(tmp_path):
    venue = Venue(tmp_path / "registry.db")
    for name in ("acme", "bob"):
        venue.submit("open_account", account=name)
    yield venue
    venue.registry.close()


def in_force(venue, client):
    """Class and last day on which the evidence counts."""
    slot = venue.registry.accounts_of(client)[0].slot
    values = [venue.registry.attribute(slot, attribute) for attribute in (A.INVESTOR_CLASS, A.EVIDENCE_UNTIL_NS)]
    return InvestorClass(values[0] or 0).name, values[1]


def until(text):
    return lapse_ns(date.fromisoformat(text))


def parties(*given):
    return [evidence_params.Party(**one) for one in given]


def carol(**fields):
    return evidence(party="Carol Ng", **fields)["items"]


def refused(venue, word, kind, **fields):
    before = len(venue.office.changes("all", 1000, NOW))
    with pytest.raises((RegistryError, ValueError), match=word):
        venue.submit(kind, **fields)
    assert len(venue.office.changes("all", 1000, NOW)) == before


# --- section 6(b) and (c) -----------------------------------------------------------------------------------------


def test_a_corporation_counts_as_long_as_all_its_owners_do(venue):
    venue.done("record_evidence", **evidence(date="2026-03-31"))
    owners = parties({"client": "alice", "percent": "60"}, {**CAROL, "percent": "40"})
    venue.done("record_ownership", parties=owners, items=carol(date="2026-02-28"), **OWNED)
    assert in_force(venue, "acme") == ("CORPORATE", until("2027-02-28"))
    venue.done("record_ownership", parties=owners, items=carol(date="2026-11-01"), **OWNED)
    assert in_force(venue, "acme") == ("CORPORATE", until("2027-03-31"))
    alone = parties({"client": "alice"})
    venue.done("record_evidence", **evidence(date=TODAY))
    venue.done("record_ownership", parties=alone, **{**OWNED, "document_date": "2026-01-15"})
    assert in_force(venue, "acme") == ("CORPORATE", until("2027-01-15"))
    [*_, record] = venue.registry.records_of(venue.registry.client_id("acme"))
    assert record.details["parties"] == [
        {"client": "alice", "measure": "portfolio", "percent": "100", "valid_through": "2027-11-26"}
    ]
    assert "amount" not in json.dumps(record.details) and record.document_hash == HASH


def test_a_chain_of_owners_never_outlasts_its_first(venue):
    venue.done("record_evidence", **evidence(date="2026-03-31"))
    venue.done("record_ownership", parties=parties({"client": "alice"}), **OWNED)
    for owned, owner in (("bob", "acme"), ("alice", "bob"), ("acme", "alice")):
        venue.done("record_ownership", parties=parties({"client": owner}), **{**OWNED, "client": owned})
        assert in_force(venue, owned)[1] == until("2027-03-31")


def test_a_parent_counts_by_a_subsidiary_with_figures_of_its_own(venue):
    accounts = {"document": "audited_accounts", "date": "2025-12-31", "date_means": "period_end"}
    figures = evidence(client="bob", investor="corporation", **accounts)
    venue.done("record_evidence", **figures)
    venue.done("record_ownership", parties=parties({"client": "bob"}), **PARENT)
    assert in_force(venue, "acme") == ("CORPORATE", until("2027-04-30"))
    subsidiary = {"name": "Sub Ltd", "investor": "corporation", "measure": "total_assets"}
    items = evidence(party="Sub Ltd", asset=None, amount="40000000", currency="HKD", **dict.fromkeys(RATE), **accounts)
    venue.done("record_ownership", parties=parties(subsidiary), items=items["items"], **PARENT)
    assert in_force(venue, "acme") == ("CORPORATE", until("2027-04-30"))
    venue.done("record_ownership", parties=parties({"client": "acme"}), **{**OWNED, "client": "bob"})
    venue.done("record_evidence", **evidence())
    for client in ("bob", "alice"):
        word = f"party 1, client: {client} does not qualify as a corporation by figures of its own"
        refused(venue, word, "record_ownership", parties=parties({"client": client}), **PARENT)


RATE = ("rate", "rate_source", "rate_date")
CAROL = {"name": "Carol Ng", "investor": "individual"}


@pytest.mark.parametrize(
    ("change", "given", "word"),
    [
        ({}, [{"client": "alice"}], "party 1, client: alice is no professional investor here"),
        ({}, [{"client": "nobody"}], "no client 'nobody'"),
        ({}, [{"client": "acme"}], "party 1, client: acme cannot be its own owner"),
        ({}, [{**CAROL, "percent": "99.99"}], "parties: they own 99.99 % together, not 100"),
        ({}, [{**CAROL, "percent": "60"}, {**CAROL, "percent": "40"}], "parties: name each owner once"),
        ({}, [{**CAROL, "percent": "-1"}], "party 1, percent"),
        ({}, [{**CAROL, "client": "bob"}], "party 1, client: give client, or name"),
        ({}, [{"name": "Carol Ng"}], "party 1, investor: it is missing"),
        ({"business_hash": None}, [CAROL], "business_hash: give it for wholly_owned"),
        ({"document_date": "2025-11-25"}, [CAROL], "document_date: 2025-11-25 counts for 12 months"),
        ({"document_date": "2026-11-27"}, [CAROL], "document_date: 2026-11-27 has not come"),
        ({"items": carol(amount="1")}, [CAROL], r"party 1, amount: HK\$7.80 is below"),
        ({"items": carol(date="2025-11-25")}, [CAROL], "item 1, date: 2025-11-25 counts"),
        ({"items": None}, [CAROL], "party 1, name: no item says Carol Ng"),
        (
            {"items": [*carol(), *evidence(party="Eve Ho", date="2025-11-25")["items"]]},
            [{**CAROL, "percent": "50"}, {**CAROL, "name": "Eve Ho", "percent": "50"}],
            "item 2, date: 2025-11-25 counts",
        ),
        ({"items": evidence()["items"]}, [CAROL], "item 1, party: say whose it is: Carol Ng"),
        ({"items": evidence(party="Dan")["items"]}, [CAROL], "item 1, party: say whose it is: Carol Ng"),
        ({"route": "holding_parent"}, [CAROL], "business_hash: give it for wholly_owned"),
        ({"route": "holding_parent", "business_hash": None}, [CAROL], "party 1, investor: individual is no"),
        (
            {"route": "holding_parent", "business_hash": None},
            [{**CAROL, "percent": "50"}, {"client": "bob", "percent": "50"}],
            "parties: give one for holding_parent",
        ),
    ],
)
def test_ownership_that_proves_nothing_is_refused_by_name(venue, change, given, word):
    items = None if "client" in given[0] else carol()
    refused(venue, word, "record_ownership", parties=parties(*given), **{"items": items, **OWNED, **change})


def test_an_owner_whose_status_has_ended_counts_no_more(venue):
    venue.done("record_evidence", **evidence(date="2026-03-31"))
    owned = {"parties": parties({"client": "alice"}), **OWNED}
    proposed = venue.submit("record_ownership", **owned)
    after = start_ns(date(2027, 4, 1))
    change = venue.submit("record_ownership", **owned, now_ns=after - 1)
    with pytest.raises(RegistryError, match="the evidence of alice has lapsed"):
        venue.office.approve(change.number, venue.ben, "", after)
    venue.submit("withdraw_status", client="alice")
    with pytest.raises(RegistryError, match="alice is no professional investor here"):
        venue.office.approve(proposed.number, venue.ben, "", NOW)
    assert in_force(venue, "acme") == ("NONE", None)


def test_what_ends_an_owners_status_ends_that_of_the_corporation(venue):
    """By giving it up, or by evidence that ends earlier; and of what rests on the corporation in turn."""
    venue.submit("open_account", account="holdco")
    venue.done("record_evidence", **evidence(date=TODAY))
    register = {**REGISTER, "document_date": TODAY}
    venue.done("record_ownership", **{**OWNED, **register}, parties=parties({"client": "alice"}))
    again = {**OWNED, **register, "client": "holdco"}
    venue.done("record_ownership", **again, parties=parties({"client": "acme"}))
    assert in_force(venue, "holdco") == ("CORPORATE", until("2027-11-26"))
    earlier = venue.submit("record_evidence", **evidence(date="2026-03-31"))
    assert earlier.state == "done"
    assert in_force(venue, "acme")[1] == in_force(venue, "holdco")[1] == until("2027-03-31")
    [told] = [one for one in venue.registry.records_of(venue.registry.client_id("acme")) if one.topic == "owner_ended"]
    assert (told.details, told.valid_through, told.change) == ({"owner": "alice"}, "2027-03-31", earlier.number)
    venue.submit("withdraw_status", client="alice")
    assert in_force(venue, "acme")[1] == in_force(venue, "holdco")[1] == 0
    venue.done("restore_status", client="alice", **PAPER)
    venue.done("record_evidence", **evidence(date=TODAY))
    assert in_force(venue, "acme")[1] == 0  # that takes a new entry
    venue.done("record_evidence", **evidence(client="acme", investor="corporation"))
    venue.submit("withdraw_status", client="alice")
    assert in_force(venue, "acme")[1] == until("2027-01-31")  # now by figures of its own


# --- the limbs of Schedule 1 ----------------------------------------------------------------------------------------


def institution(limb, *proofs, **fields):
    documents = [evidence_params.LimbDocument(proof=proof, date="2026-03-31", hash=HASH) for proof in proofs]
    numbered = {"register": "a register", "number": "AAA001"} if LIMBS[limb].has_number else {}
    group = {"group_limb": "b"} if limb == "i" else {}
    return {"client": "acme", "limb": limb, "documents": documents, **numbered, **group, **fields}


@pytest.mark.parametrize("limb", LIMBS)
def test_each_limb_has_its_proof(venue, limb):
    proofs = [sorted(wanted)[0] for wanted in LIMBS[limb].proofs]
    venue.done("record_institution", **institution(limb, *proofs))
    assert in_force(venue, "acme") == ("INSTITUTIONAL", until("2027-03-31"))
    [record] = venue.registry.records_of(venue.registry.client_id("acme"))
    assert (record.details["limb"], record.details["covers"]) == (limb, LIMBS[limb].covers)
    for left_out in range(len(proofs)):
        others = [*proofs[:left_out], *proofs[left_out + 1 :]] or ["ownership_extract"]
        refused(venue, f"documents: limb {limb} .* is proved by", "record_institution", **institution(limb, *others))
    for field in ("register", "number"):
        value = None if LIMBS[limb].has_number else "x"
        refused(venue, f"{field}: ", "record_institution", **institution(limb, *proofs, **{field: value}))
    group = None if limb == "i" else "c"
    refused(venue, "group_limb: say b or c", "record_institution", **institution(limb, *proofs, group_limb=group))


def test_an_institution_is_looked_up_again_after_a_year(venue):
    asked = institution("a", "register_check")
    old = [evidence_params.LimbDocument(proof="register_check", date="2025-11-25", hash=HASH)]
    word = "document 1, date: 2025-11-25 counts for 12 months"
    refused(venue, word, "record_institution", **{**asked, "documents": old})
    new = evidence_params.LimbDocument(proof="licence", date="2026-11-20", hash="cd" * 32)
    both = institution("b", "register_check")
    for documents in ([*both["documents"], new], [new, *both["documents"]]):
        venue.done("record_institution", **{**both, "documents": documents})
        assert in_force(venue, "acme") == ("INSTITUTIONAL", until("2027-03-31"))
    assert set(LIMBS) == set("abcdefghi")


# --- corporations treated as professional investors in full ---------------------------------------------------------

ASSESSED = {
    "client": "acme", "structure": "a treasury", "background": "J. Lau", "awareness": "interviewed",
    "scope": "virtual_asset_perpetuals", "markets": "this venue", "assessor": "Dora Fung", "explained": "all of it",
    "document_date": "2026-10-31", "document_hash": HASH, "consent_date": "2026-11-02", "consent_hash": "cd" * 32,
}  # fmt: skip


def corporate(venue, **fields):
    venue.done("record_evidence", **evidence(client="acme", investor="corporation", date=TODAY, **fields))


def class_at(venue, day):
    """The class after the venue's review at the beginning of a day in Hong Kong."""
    assessments.end_lapsed(venue.registry, start_ns(date.fromisoformat(day)))
    return in_force(venue, "acme")[0]


def test_an_assessment_needs_evidence_and_two_persons(venue):
    refused(venue, "acme has no evidence as a corporation", "record_assessment", **ASSESSED)
    corporate(venue)
    assert venue.submit("record_assessment", **ASSESSED).state == "proposed"
    venue.done("record_assessment", **ASSESSED)
    assert in_force(venue, "acme")[0] == "QUALIFIED_CORPORATE"
    corporate(venue)
    assert in_force(venue, "acme")[0] == "QUALIFIED_CORPORATE"
    venue.done("record_evidence", **evidence())
    refused(venue, "alice has no evidence as a corporation", "record_assessment", **{**ASSESSED, "client": "alice"})
    for change, word in (
        ({"document_date": "2024-11-25"}, "document_date: 2024-11-25 counts for 24 months"),
        ({"consent_date": "2026-11-27"}, "consent_date: 2026-11-27 has not come"),
        ({"assessor": " Dora"}, "assessor: "),
    ):
        refused(venue, word, "record_assessment", **{**ASSESSED, **change})


def test_two_years_without_a_trade_take_the_class_back_and_only_a_new_assessment_restores_it(venue):
    corporate(venue)
    venue.done("record_assessment", **ASSESSED)
    slot = venue.registry.accounts_of("acme")[0].slot
    assert class_at(venue, "2028-10-31") == "QUALIFIED_CORPORATE"
    assessments.note_trade(venue.registry, slot, start_ns(date(2027, 2, 28)) - 1)
    soon = lapses(venue.registry, 1000, NOW)
    assert {"client": "acme", "topic": "assessment", "valid_through": "2029-02-27", "days_left": 824} in soon
    assert class_at(venue, "2029-02-27") == "QUALIFIED_CORPORATE"
    assert class_at(venue, "2029-02-28") == "CORPORATE"
    [change] = venue.office.changes("done", 1, NOW)
    assert (change.kind, change.actor, change.params["client"]) == (assessments.ENDED, 0, "acme")
    [*_, intent] = venue.writes()
    assert (intent.account_slot, intent.value, intent.actor, intent.change) == (slot, 2, 0, change.number)
    told = venue.office.described(change, NOW)
    assert "no trade for 24 months, through 2029-02-27" in told["reason"] and told["actor_name"] == ""
    # A trade after that, and newer evidence, do not bring it back.
    assessments.note_trade(venue.registry, slot, start_ns(date(2029, 3, 1)))
    later = start_ns(date(2029, 3, 1))
    fresh = evidence(client="acme", investor="corporation", date="2029-02-01")
    change = venue.submit("record_evidence", now_ns=later, **fresh)
    venue.office.approve(change.number, venue.ben, "", later) if change.state == "proposed" else None
    assert in_force(venue, "acme") == ("CORPORATE", until("2030-02-01"))
    assert assessments.end_lapsed(venue.registry, later + DAY_NS) == 0
    again = venue.submit("record_assessment", now_ns=later, **{**ASSESSED, "document_date": "2029-02-28"})
    venue.office.approve(again.number, venue.ben, "", later)
    assert in_force(venue, "acme")[0] == "QUALIFIED_CORPORATE"


def test_an_assessment_of_29_february_ends_with_28_february(venue):
    at = start_ns(date(2028, 2, 29))
    for kind, fields in (
        ("record_evidence", evidence(client="acme", investor="corporation", date="2028-02-29")),
        ("record_assessment", {**ASSESSED, "document_date": "2028-02-29"}),
    ):
        change = venue.submit(kind, now_ns=at, **fields)
        venue.office.approve(change.number, venue.ben, "", at)
    assert (class_at(venue, "2030-02-28"), class_at(venue, "2030-03-01")) == ("QUALIFIED_CORPORATE", "CORPORATE")


# --- employees and residence -----------------------------------------------------------------------------------------

PAPER = {"document_date": "2026-11-20", "document_hash": HASH}


def restriction(venue, account):
    return venue.registry.attribute(venue.registry.account(account).slot, A.RESTRICTION) or 0


def test_an_employee_only_reduces_until_two_officers_permit_it(venue):
    employed = {"client": "alice", "is_employee": True, **PAPER}
    assert venue.submit("record_employment", **employed).state == "done"
    assert restriction(venue, "alice") == Restriction.REDUCE_ONLY
    file = client_file(venue.registry, "alice", NOW)
    assert (file["is_employee"], file["is_permitted"]) == (True, False)
    word = "alice is an employee and not permitted"
    refused(venue, word, "set_restriction", client="alice", restriction="none")
    venue.done("open_account", account="alice-2", parent="alice")
    assert restriction(venue, "alice-2") == Restriction.REDUCE_ONLY
    permit = venue.submit("record_employment", **employed, is_permitted=True)
    assert permit.state == "proposed" and restriction(venue, "alice") == Restriction.REDUCE_ONLY
    venue.office.approve(permit.number, venue.ben, "", NOW)
    assert restriction(venue, "alice") == restriction(venue, "alice-2") == 0
    assert client_file(venue.registry, "alice", NOW)["is_permitted"] is True
    assert venue.submit("record_employment", **employed).state == "done"
    left = venue.submit("record_employment", **{**employed, "is_employee": False})
    assert left.state == "proposed" and restriction(venue, "alice") == Restriction.REDUCE_ONLY
    refused(venue, "is_permitted: it is for an employee", "record_employment", client="bob", is_employee=False,
            is_permitted=True, **PAPER)  # fmt: skip


def test_permission_never_lifts_what_officers_have_put_on(venue):
    employed = {"client": "alice", "is_employee": True, **PAPER}
    for before in ("reduce_only", "suspended"):
        venue.submit("set_restriction", account="alice", restriction=before)
        venue.submit("record_employment", **employed)
        venue.done("record_employment", **employed, is_permitted=True)
        assert restriction(venue, "alice") == Restriction[before.upper()]


def test_permission_never_lifts_the_suspension_of_an_affiliate(venue):
    venue.submit("set_affiliation", client="alice", affiliation="group_company")
    venue.submit("suspend_affiliate", client="alice")
    assert venue.submit("record_employment", client="alice", is_employee=False, **PAPER).state == "done"
    assert restriction(venue, "alice") == Restriction.REDUCE_ONLY
    venue.submit("record_employment", client="alice", is_employee=True, **PAPER)
    venue.done("record_employment", client="alice", is_employee=True, is_permitted=True, **PAPER)
    assert restriction(venue, "alice") == Restriction.REDUCE_ONLY


def test_the_end_of_a_freeze_leaves_an_employee_reducing(venue):
    venue.submit("record_employment", client="alice", is_employee=True, **PAPER)
    venue.submit("set_restriction", client="alice", restriction="frozen")
    venue.done("set_restriction", client="alice", restriction="none")
    assert restriction(venue, "alice") == Restriction.REDUCE_ONLY


def test_a_closed_employees_new_account_only_reduces_too(venue):
    venue.submit("record_employment", client="alice", is_employee=True, **PAPER)
    venue.submit("set_restriction", account="alice", restriction="closed")
    venue.done("open_account", account="alice-2", client="alice")
    assert restriction(venue, "alice-2") == Restriction.REDUCE_ONLY


def test_a_refused_mark_is_none(venue):
    change = venue.submit("record_employment", client="alice", is_employee=True, **PAPER)
    [intent] = [one for one in venue.writes() if one.change == change.number]
    venue.registry.mark_applied([(intent.reference, 9, int(Reason.BAD_PARAMETER))])
    assert client_file(venue.registry, "alice", NOW)["is_employee"] is False


def test_a_residence_is_permitted_on_a_recent_proof(venue):
    proof = {"document": "utility_bill", "document_date": "2026-08-26", "document_hash": HASH}
    here = {"client": "alice", "residence": "HK"}
    venue.done("record_jurisdiction", **here, is_permitted=True, **proof)
    [record] = venue.registry.records_of(venue.registry.client_id("alice"))
    assert (record.document_hash, record.details["document"]) == (HASH, "utility_bill")
    for change, word in (
        ({"document_date": "2026-08-25"}, "document_date: 2026-08-25 counts for 3 months, through 2026-11-25"),
        ({"document_date": "2026-11-27"}, "has not come"),
        ({"document_hash": None}, "document_hash: it is missing"),
        ({"document": None}, "document: it is missing"),
    ):
        refused(venue, word, "record_jurisdiction", **here, is_permitted=True, **{**proof, **change})
    half = {"is_permitted": False, "document": "utility_bill"}
    refused(venue, "give document, document_date", "record_jurisdiction", **here, **half)
    assert venue.submit("record_jurisdiction", **here, is_permitted=False).state == "done"


# --- closed accounts --------------------------------------------------------------------------------------------------


def closed(venue, account):
    venue.submit("set_restriction", account=account, restriction="closed")


def test_what_is_recorded_after_an_account_was_closed_holds_for_the_next_one_too(venue):
    venue.done("record_evidence", **evidence())
    venue.done("open_account", account="alice-2", client="alice")
    closed(venue, "alice")
    hit = venue.submit("record_screening", client="alice", outcome="hit", **PAPER)
    first, second = venue.registry.accounts_of("alice")
    written = [intent.account_slot for intent in venue.writes() if intent.change == hit.number]
    assert written == [second.slot]  # the log takes nothing for a closed account
    venue.submit("withdraw_status", client="alice")
    venue.done("open_account", account="alice-3", client="alice")
    third = venue.registry.account("alice-3").slot
    assert venue.registry.attribute(third, A.PI_WITHDRAWN) == 1
    assert venue.registry.attribute(first.slot, A.PI_WITHDRAWN) is None


def test_a_client_whose_accounts_are_all_closed_begins_anew(venue):
    venue.done("record_evidence", **evidence())
    venue.submit("set_restriction", account="alice", restriction="suspended")
    closed(venue, "alice")
    refused(venue, "client: 'alice' has no open account", "withdraw_status", client="alice")
    assert venue.submit("open_account", account="alice-2", client="alice").state == "done"
    slot = venue.registry.account("alice-2").slot
    assert venue.registry.attribute(slot, A.INVESTOR_CLASS) is None
    assert restriction(venue, "alice-2") == Restriction.SUSPENDED
