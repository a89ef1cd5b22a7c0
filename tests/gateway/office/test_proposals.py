"""Four eyes: what one officer may do, what waits for a second person, and that nothing gets around it."""

from contextlib import suppress

import numpy as np
import pytest

from engine.codes import NIL, Asset, CommandKind, InvestorClass, MarketState, Restriction, VenueState
from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from gateway.office import officer_params as m
from gateway.office.changes import KINDS
from gateway.office.evidence_params import Item
from gateway.office.four_eyes import needs_second_person
from gateway.office.proposals import PROPOSAL_NS, Office
from gateway.registry import identities
from gateway.registry.clients import client_value
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, Registry, RegistryError
from tests.gateway.identified import document

DAY_NS = 86_400 * 10**9
NOW = 1_795_651_200 * 10**9  # 2026-11-26 08:00 in Hong Kong
HASH = "ab" * 32
BTC = "BTC_USDC-PERPETUAL"
OFFICER = "responsible_officer"
GOVERNED = {OFFICER: "Eve  Ho", "information_barriers_hash": "b1" * 32}


class Venue:
    """A registry with two officers, one of them with two keys, and a client."""

    def __init__(self, path):
        self.registry = Registry(path)
        self.office = Office(self.registry)
        self.registry.create_account("alice", NOW)
        self.registry.add_contract(ContractRecord(0, BTC, "BTC", "USDC", "0.5", "0.001", NOW), [])
        self.ann = self.key("Ann", "k1")
        self.ann_too = self.key("Ann", "k2")
        self.ben = self.key("Ben", "k3")
        self.registry.govern(NOW)

    def key(self, person, key_id, scopes=("compliance", "admin"), slot=NIL):
        number = self.registry.person(person, NOW)
        if not identities.is_bound(self.registry, number):
            identities.bind(self.registry, number, document(number), 0, NOW)
        return self.registry.add_key(KeyOrder(key_id, slot, number, "ed25519", b"v" * 32, scopes, ""), NOW)

    def submit(self, kind, /, officer=None, now_ns=NOW, **fields):
        params = KINDS[kind].params(reason="because", **fields)
        return self.office.submit(kind, params, officer or self.ann, now_ns)

    def done(self, kind, /, **fields):
        """A change through both officers if it needs them."""
        change = self.submit(kind, **fields)
        return self.office.approve(change.number, self.ben, "", NOW) if change.state == "proposed" else change

    def writes(self):
        """What the log would get beyond the opening of the account and what only vouches for a change."""
        return [intent for intent in self.registry.pending_intents(2) if intent.kind != CommandKind.ATTEST]


@pytest.fixture
def venue(tmp_path):
    venue = Venue(tmp_path / "registry.db")
    yield venue
    venue.registry.close()


def evidence(client="alice", investor="individual", **fields):
    given = {
        "document": "custodian_statement", "date": "2026-01-31", "date_means": "issued", "hash": HASH,
        "asset": "securities", "amount": "1030000", "currency": "USD", "rate": "7.8", "rate_source": "HKMA",
        "rate_date": "2026-01-30", **fields,
    }  # fmt: skip
    return {"client": client, "investor": investor, "items": [Item(**given)]}


def test_evidence_waits_for_a_second_person_and_then_sets_class_and_date(venue):
    change = venue.submit("record_evidence", **evidence())
    assert (change.state, venue.writes(), venue.registry.records_of(1)) == ("proposed", [], [])
    approved = venue.office.approve(change.number, venue.ben, "seen", NOW + 5)
    assert (approved.state, approved.approver, approved.note) == ("approved", venue.ben.person, "seen")
    written = {A(i.code): i.value for i in venue.writes()}
    assert written == {A.INVESTOR_CLASS: InvestorClass.INDIVIDUAL, A.EVIDENCE_UNTIL_NS: 1_801_411_200 * 10**9}
    for intent in venue.writes():
        assert (intent.actor, intent.approver) == (venue.ann.person, venue.ben.person)
        assert (intent.change, intent.key) == (change.number, venue.ann.number)
    [record] = venue.registry.records_of(1)
    assert (record.topic, record.valid_through) == ("evidence", "2027-01-31")
    [item] = record.details["items"]
    assert (record.details["total_hkd"], item["counted_hkd"], item["hash"]) == ("8034000.00", "8034000.00", HASH)


@pytest.mark.parametrize("key", ["ann", "ann_too"])
def test_the_same_person_cannot_approve_by_whichever_key(venue, key):
    change = venue.submit("record_evidence", **evidence())
    with pytest.raises(RegistryError, match="same person"):
        venue.office.approve(change.number, getattr(venue, key), "", NOW)
    assert venue.writes() == [] and venue.office.change(change.number, NOW).state == "proposed"


def test_a_proposal_is_decided_once_expires_and_dies_with_its_key(venue):
    venue.key("Cat", "k9")
    first = venue.submit("record_evidence", **evidence())
    assert venue.office.reject(first.number, venue.ann_too, "wrong client", NOW).state == "rejected"
    second = venue.submit("record_evidence", **evidence())
    venue.office.approve(second.number, venue.ben, "", NOW)
    for number in (first.number, second.number):
        for decide in (venue.office.approve, venue.office.reject):
            with pytest.raises(RegistryError, match="only a proposal can be decided"):
                decide(number, venue.ben, "", NOW)
    late = venue.submit("record_deposit", account="alice", amount="5")
    assert venue.office.change(late.number, NOW + PROPOSAL_NS - 1).state == "proposed"
    with pytest.raises(RegistryError, match="is expired"):
        venue.office.approve(late.number, venue.ben, "", NOW + PROPOSAL_NS)
    gone = venue.submit("record_deposit", account="alice", amount="5", officer=venue.ann_too)
    venue.registry.revoke_key("k2", NOW)
    with pytest.raises(RegistryError, match="was revoked"):
        venue.office.approve(gone.number, venue.ben, "", NOW)
    assert {c.number for c in venue.office.changes("expired", 9, NOW + PROPOSAL_NS)} == {late.number, gone.number}
    assert [c.number for c in venue.office.changes("all", 2, NOW)] == [gone.number, late.number]
    assert all(intent.kind != CommandKind.DEPOSIT for intent in venue.writes())


def test_what_has_passed_in_between_is_not_approved(venue):
    change = venue.submit("record_evidence", **evidence(date="2025-11-27"))
    with pytest.raises(ValueError, match="counts for 12 months"):
        venue.office.approve(change.number, venue.ben, "", NOW + 2 * DAY_NS)
    assert venue.writes() == []


def test_scopes_are_those_of_the_change(venue):
    clerk = venue.key("Cleo", "k4", ("compliance",))
    keeper = venue.key("Kim", "k5", ("admin",))
    with pytest.raises(RegistryError, match="needs the scope admin"):
        venue.submit("record_deposit", officer=clerk, account="alice", amount="5")
    with pytest.raises(RegistryError, match="needs the scope compliance"):
        venue.submit("set_restriction", officer=keeper, account="alice", restriction="frozen")
    change = venue.submit("record_deposit", officer=keeper, account="alice", amount="5")
    for decide in (venue.office.approve, venue.office.reject):
        with pytest.raises(RegistryError, match="needs the scope admin"):
            decide(change.number, clerk, "", NOW)


def test_tightening_acts_at_once_and_going_back_does_not(venue):
    for there, back in (
        (("set_restriction", {"client": "alice", "restriction": "frozen"}), {"restriction": "none"}),
        (("set_restriction", {"account": "alice", "restriction": "reduce_only"}), {"restriction": "none"}),
        (("kill_switch", {"target": "client", "name": "alice", "is_on": True}), {"is_on": False}),
        (("set_limits", {"client": "alice", "max_exposure": "1000"}), {"max_exposure": "0"}),
        (("kill_switch", {"target": "account", "name": "alice", "is_on": True}), {"is_on": False}),
        (("kill_switch", {"target": "contract", "name": BTC, "is_on": True}), {"is_on": False}),
        (("kill_switch", {"target": "venue", "is_on": True}), {"is_on": False}),
        (("set_limits", {"account": "alice", "max_exposure": "1000"}), {"max_exposure": "1000.01"}),
        (("set_limits", {"account": "alice", "max_leverage": 3}), {"max_leverage": 0}),
        (("withdraw_status", {"client": "alice"}), None),
        (("set_contract_state", {"instrument_name": BTC, "state": "halted"}), {"state": "cancel_only"}),
        (("set_group_limit", {"group": 1, "instrument_name": BTC, "max_amount": "5"}), {"max_amount": "0"}),
    ):
        kind, fields = there
        assert venue.submit(kind, **fields).state == "done", kind
        if back is not None:
            assert venue.submit(kind, **{**fields, **back}).state == "proposed", (kind, back)
    restored = {"client": "alice", "document_date": "2026-11-26", "document_hash": HASH}
    assert venue.submit("restore_status", **restored).state == "proposed"


def test_an_account_that_is_opened_later_is_as_restricted_as_its_owners_others(venue):
    venue.registry.create_account("alice-bot", NOW, parent="alice")
    venue.submit("set_restriction", account="alice-bot", restriction="closed")
    venue.submit("set_restriction", account="alice", restriction="reduce_only")
    assert venue.submit("open_account", account="alice-new", client="alice").state == "done"
    slot = venue.registry.account("alice-new").slot
    assert venue.registry.attribute(slot, A.RESTRICTION) == Restriction.REDUCE_ONLY


def test_a_lifted_halt_leaves_the_contract_as_it_was(venue):
    venue.submit("set_contract_state", instrument_name=BTC, state="reduce_only")
    venue.submit("kill_switch", target="contract", name=BTC, is_on=True)
    venue.done("kill_switch", target="contract", name=BTC, is_on=False)
    *_, lifted = venue.writes()
    assert (lifted.kind, lifted.code) == (D.CONTRACT_STATE, MarketState.REDUCE_ONLY)


def test_a_kill_switch_sweeps_the_orders_of_what_it_covers(venue):
    venue.registry.create_account("bob", NOW)
    venue.registry.set_attribute(0, A.GROUP, 7, NOW, "")
    venue.registry.set_attribute(1, A.GROUP, 7, NOW, "")
    venue.submit("kill_switch", target="group", name="7", is_on=True)
    killed = [i for i in venue.writes() if i.code == A.KILL_SWITCH]
    assert [(i.account_slot, i.value, i.sweeps) for i in killed] == [(0, 1, True), (1, 1, True)]
    for name in ("8", "seven", "0"):
        with pytest.raises(RegistryError, match="no account is in"):
            venue.submit("kill_switch", target="group", name=name, is_on=True)
    for fields in ({"target": "venue", "name": "x"}, {"target": "account"}):
        with pytest.raises(RegistryError, match="name: say which"):
            venue.submit("kill_switch", is_on=True, **fields)


D = CommandKind
TWO, ONE = True, False
LIMITS = (P.MAX_ORDER_LOTS, P.MAX_POSITION_LOTS, P.MAX_ORDER_VALUE_MICROS, P.MAX_OPEN_INTEREST_LOTS)


@pytest.mark.parametrize(
    ("intent", "known", "wanted"),
    [
        (Intent(D.ACCOUNT_OPEN, value=0), None, ONE),
        (Intent(D.ACCOUNT_OPEN, value=1), None, TWO),
        (Intent(D.ACCOUNT_SET, A.INVESTOR_CLASS, value=1), None, TWO),
        (Intent(D.ACCOUNT_SET, A.INVESTOR_CLASS, value=1), 2, TWO),
        (Intent(D.ACCOUNT_SET, A.INVESTOR_CLASS, value=0), 2, ONE),
        *((Intent(D.ACCOUNT_SET, code, value=5), 4, TWO) for code in (*range(3, 6), *range(7, 15))),
        *((Intent(D.ACCOUNT_SET, code, value=4), 5, ONE) for code in (*range(3, 6), *range(7, 15))),
        (Intent(D.ACCOUNT_SET, A.RESTRICTION, value=0), 3, TWO),
        (Intent(D.ACCOUNT_SET, A.RESTRICTION, value=3), None, ONE),
        (Intent(D.ACCOUNT_SET, A.KILL_SWITCH, value=0), 1, TWO),
        (Intent(D.ACCOUNT_SET, A.KILL_SWITCH, value=0), 0, TWO),
        (Intent(D.ACCOUNT_SET, A.KILL_SWITCH, value=0), None, TWO),
        (Intent(D.ACCOUNT_SET, A.KILL_SWITCH, value=1), None, ONE),
        (Intent(D.ACCOUNT_SET, A.PI_WITHDRAWN, value=0), 1, TWO),
        (Intent(D.ACCOUNT_SET, A.AFFILIATION, value=1), 2, TWO),
        (Intent(D.ACCOUNT_SET, A.AFFILIATION, value=2), 0, ONE),
        (Intent(D.ACCOUNT_SET, A.GROUP, value=3), None, TWO),
        (Intent(D.ACCOUNT_SET, A.GROUP, value=0), 3, TWO),
        (Intent(D.ACCOUNT_SET, A.MAX_OPEN_ORDERS, value=10), None, TWO),
        (Intent(D.ACCOUNT_SET, A.MAX_OPEN_ORDERS, value=10), 11, ONE),
        (Intent(D.ACCOUNT_SET, A.MAX_EXPOSURE_MICROS, value=10), None, ONE),
        (Intent(D.ACCOUNT_SET, A.MAX_EXPOSURE_MICROS, value=11), 10, TWO),
        (Intent(D.ACCOUNT_SET, A.MAX_EXPOSURE_MICROS, value=0), 10, TWO),
        (Intent(D.ACCOUNT_SET, A.MAX_EXPOSURE_MICROS, value=9), 0, ONE),
        (Intent(D.ACCOUNT_SET, A.MAX_OPEN_ORDERS, value=0), 10, ONE),
        (Intent(D.ACCOUNT_SET, A.MAX_LEVERAGE, value=5), None, ONE),
        (Intent(D.ACCOUNT_SET, A.MAX_LEVERAGE, value=0), 5, TWO),
        (Intent(D.ACCOUNT_SET, A.SELF_TRADE_MODE, value=1), 0, TWO),
        (Intent(D.CLIENT_SET, C.FROZEN, value=1), None, ONE),
        (Intent(D.CLIENT_SET, C.FROZEN, value=0), 1, TWO),
        (Intent(D.CLIENT_SET, C.FROZEN, value=0), None, TWO),
        (Intent(D.CLIENT_SET, C.KILL_SWITCH, value=1), 0, ONE),
        (Intent(D.CLIENT_SET, C.KILL_SWITCH, value=0), 0, TWO),
        (Intent(D.CLIENT_SET, C.MAX_EXPOSURE_MICROS, value=10), None, ONE),
        (Intent(D.CLIENT_SET, C.MAX_EXPOSURE_MICROS, value=9), 10, ONE),
        (Intent(D.CLIENT_SET, C.MAX_EXPOSURE_MICROS, value=11), 10, TWO),
        (Intent(D.CLIENT_SET, C.MAX_EXPOSURE_MICROS, value=0), 10, TWO),
        (Intent(D.PERSON_SET, person=1, value=5), None, TWO),
        (Intent(D.KEY_REVOKE, account_slot=0, person=1), None, ONE),
        (Intent(D.PERSON_SET, person=1, value=4), 5, ONE),
        (Intent(D.GROUP_SET, value=5), None, ONE),
        (Intent(D.GROUP_SET, value=0), 5, TWO),
        (Intent(D.AFFILIATE_APPROVAL, value=1), 2, TWO),
        (Intent(D.AFFILIATE_APPROVAL, value=0), 2, ONE),
        (Intent(D.DEPOSIT, amount_micros=1), None, TWO),
        (Intent(D.WITHDRAW, amount_micros=1), None, TWO),
        (Intent(D.FUND_DEPOSIT, amount_micros=1), None, TWO),
        (Intent(D.CONTRACT_CREATE), None, TWO),
        (Intent(D.CONTRACT_LIST), None, TWO),
        *((Intent(D.CONTRACT_SET, code, value=1), 2, TWO) for code in P if code not in LIMITS),
        *((Intent(D.CONTRACT_SET, code, value=1), 2, ONE) for code in LIMITS),
        *((Intent(D.CONTRACT_SET, code, value=3), 2, TWO) for code in P),
        (Intent(D.CONTRACT_SET, P.MAX_ORDER_VALUE_MICROS, value=0), 2, TWO),
        (Intent(D.CONTRACT_STATE, MarketState.HALTED), None, ONE),
        (Intent(D.CONTRACT_STATE, MarketState.OPEN), MarketState.HALTED, TWO),
        (Intent(D.CONTRACT_STATE, MarketState.SETTLED), None, TWO),
        (Intent(D.VENUE_STATE, VenueState.HALTED), None, ONE),
        (Intent(D.VENUE_STATE, VenueState.OPEN), VenueState.HALTED, TWO),
        (Intent(D.VENUE_SET, V.COLLATERAL_HAIRCUT_PPB, item=Asset.BTC, value=7), None, TWO),
        (Intent(D.VENUE_SET, V.COLLATERAL_HAIRCUT_PPB, item=Asset.BTC, value=7), 8, TWO),
        (Intent(D.VENUE_SET, V.COLLATERAL_HAIRCUT_PPB, item=Asset.BTC, value=9), 8, ONE),
        (Intent(D.VENUE_SET, V.COLLATERAL_CAP_MICROS, item=Asset.BTC, value=7), 8, ONE),
        (Intent(D.VENUE_SET, V.COLLATERAL_CAP_MICROS, item=Asset.BTC, value=9), 8, TWO),
        *((Intent(D.VENUE_SET, code, value=7), 8, TWO) for code in V if code not in (6, 7)),
        (Intent(D.TRANSFER), None, TWO),
    ],
)
def test_every_directive_is_loosening_or_tightening(intent, known, wanted):
    assert needs_second_person(intent, known) is wanted


def test_every_directive_that_a_registry_writes_is_in_the_rule():
    seen = {case[0].kind for case in test_every_directive_is_loosening_or_tightening.pytestmark[0].args[1]}
    of_no_change = {D.SET_LEVERAGE, D.SET_MARGIN_MODE, D.INDEX_PRICE, D.ATTEST, D.SWITCH}
    assert seen == {kind for kind in D if kind >= D.ACCOUNT_OPEN} - of_no_change


def issue(key, person, scopes, **fields):
    identity = document(sum(person.encode()))
    return {
        "key": key, "person": person, "scopes": scopes, "kind": "ed25519", "verifier": "A" * 43 + "=",
        "identity": identity, **fields,
    }  # fmt: skip


def test_a_key_takes_two_persons_whatever_it_may_do(venue):
    for key, scopes in (("n1", "read"), ("n2", "read,trade")):
        waiting = venue.submit("issue_key", **issue(key, "Alice", scopes, account="alice"))
        assert waiting.state == "proposed" and venue.registry.key(key) is None
        with pytest.raises(RegistryError, match="same person"):
            venue.office.approve(waiting.number, venue.ann_too, "", NOW)
        venue.office.approve(waiting.number, venue.ben, "", NOW)
        assert venue.registry.key(key).scopes == set(scopes.split(","))
    assert venue.submit("revoke_key", key="n1").state == "done"
    third = venue.submit("issue_key", **issue("n3", "Cleo", "compliance,admin"))
    assert (third.state, venue.office.approve(third.number, venue.ben, "", NOW).state) == ("proposed", "approved")
    for fields, word in (
        (issue("n4", "Alice", "admin"), "one person"),
        (issue("n4", "Cleo", "trade", account="alice"), "one person"),
        (issue("n4", "Dora", "trade"), "key of no account"),
        (issue("n4", "Dora", "root", account="alice"), "scopes: root"),
        (issue("n1", "Dora", "read", account="alice"), "n1 exists"),
        (issue("n4", "Dora", "read", account="alice") | {"verifier": "x"}, "not base64"),
        (issue("n4", "Dora", "read", account="alice") | {"verifier": "AAAA"}, "32 bytes"),
    ):
        with pytest.raises(RegistryError, match=word):
            venue.submit("issue_key", **fields)


def test_two_officers_stay(venue):
    assert venue.submit("revoke_key", key="k2").state == "done"
    with pytest.raises(RegistryError, match="last two officers"):
        venue.submit("revoke_key", key="k1")
    venue.done("issue_key", **issue("n3", "Cleo", "compliance,admin"))
    assert venue.submit("revoke_key", key="k1").state == "done"
    assert venue.registry.holders("compliance") == {venue.ben.person, venue.registry.find_person("Cleo")}


def test_two_who_can_name_others_stay_whoever_else_decides(venue):
    venue.done("issue_key", **issue("n3", "Cleo", "compliance"))
    venue.submit("revoke_key", key="k2")
    with pytest.raises(RegistryError, match="last two officers"):
        venue.submit("revoke_key", key="k3")
    assert venue.submit("revoke_key", key="n3").state == "done"


def test_the_bootstrap_is_closed_by_the_ceremony(venue):
    with pytest.raises(RegistryError, match="this venue has them"):
        venue.registry.check_open()
    with pytest.raises(RegistryError, match="named already"):
        venue.registry.govern(NOW)


def test_a_later_account_of_a_client_has_what_the_client_has(venue):
    assert venue.submit("open_account", account="first", client="carol").state == "done"
    venue.done("record_evidence", **evidence(client="carol"))
    venue.submit("withdraw_status", client="carol")
    second = venue.submit("open_account", account="second", parent="first")
    assert second.state == "proposed" and len(venue.registry.accounts_of("carol")) == 1
    venue.office.approve(second.number, venue.ben, "", NOW)
    slot = venue.registry.account("second").slot
    opened, *given = [i for i in venue.writes() if i.account_slot == slot]
    assert (opened.kind, opened.value, opened.approver) == (D.ACCOUNT_OPEN, 0, venue.ben.person)
    assert {A(i.code): i.value for i in given} == {
        A.CLIENT: 2, A.INVESTOR_CLASS: 1, A.EVIDENCE_UNTIL_NS: 1_801_411_200 * 10**9, A.PI_WITHDRAWN: 1,
    }  # fmt: skip
    venue.submit("withdraw_status", client="carol")
    assert len([i for i in venue.writes() if i.code == A.PI_WITHDRAWN]) == 4


KEY = issue("k9", "Alice", "read", account="alice")
DATED = {"document_date": "2026-11-20", "document_hash": HASH}


@pytest.mark.parametrize(
    ("kind", "fields", "word"),
    [
        ("record_evidence", evidence(rate=None), "rate: give it"),
        ("record_evidence", evidence(party="Carol"), "item 1, party: it is for record_ownership"),
        ("record_evidence", evidence(currency="HKD"), "rate: give it"),
        ("record_evidence", evidence(client="nobody"), "no client 'nobody'"),
        ("record_evidence", evidence(date="2026-11-27"), "has not come yet"),
        ("record_confirmation", {"client": "alice", **DATED, "document_date": "2025-11-25"}, "counts for 12 months"),
        ("record_kyc", {"client": "alice", **DATED, "valid_through": "2026-11-25"}, "is past"),
        ("record_screening", {"client": "alice", **DATED, "outcome": "clear"}, "valid_through: it is missing"),
        ("record_screening", {"client": "alice", **DATED, "outcome": "hit", "valid_through": "2027-01-01"}, "a hit"),
        ("record_knowledge", {"subject": "derivatives", "client": "alice", **DATED}, "is a person's"),
        ("record_knowledge", {"subject": "virtual_assets", "person": "Alice", **DATED}, "is a client's"),
        (
            "record_knowledge",
            {"subject": "derivatives", "person": "Nobody", "valid_through": "2027-01-01", **DATED},
            "no person 'Nobody'",
        ),
        ("set_limits", {"account": "alice"}, "give it"),
        ("set_limits", {"account": "alice", "max_exposure": "1e-9"}, "at most 6 decimals"),
        ("set_restriction", {"account": "nobody", "restriction": "frozen"}, "no account"),
        ("approve_affiliate", {"account": "alice", "instrument_name": "X"}, "no contract"),
        (
            "approve_affiliate",
            {
                "account": "alice", "instrument_name": BTC, "valid_from": "2027-02-01", "valid_through": "2027-01-01",
                **GOVERNED,
            },
            "is after",
        ),
        (
            "approve_affiliate",
            {"account": "alice", "instrument_name": BTC, "valid_through": "2027-01-01"},
            "responsible_officer: it is missing; an approval names it",
        ),
        (
            "approve_affiliate",
            {"account": "alice", "instrument_name": BTC, "valid_through": "2027-01-01", "responsible_officer": "Eve"},
            "information_barriers_hash: it is missing",
        ),
        (
            "approve_affiliate",
            {"account": "alice", "instrument_name": BTC, "valid_through": "2027-01-01", **GOVERNED | {OFFICER: "  "}},
            "responsible_officer: it is blank",
        ),
        (
            "approve_affiliate",
            {"account": "alice", "instrument_name": BTC, "responsible_officer": "Eve"},
            "given without valid_through; leave it out to withdraw",
        ),
        ("suspend_affiliate", {"client": "alice"}, "alice is no group company"),
        ("suspend_affiliate", {"client": "nobody"}, "nobody"),
        ("approve_affiliate", {"account": "alice", "instrument_name": BTC, "valid_from": "2027-02-01"}, "is missing"),
        ("set_group_limit", {"group": 1, "instrument_name": BTC, "max_amount": "0.0001"}, "whole number of lots"),
        ("record_deposit", {"account": "alice", "amount": "0"}, "more than 0"),
        ("record_deposit", {"account": "alice", "amount": "1e-9", "asset": "btc"}, "whole number of 1e-8"),
        ("record_deposit", {"account": "alice", "amount": "9" * 18, "asset": "btc"}, "more than can be counted"),
        ("record_deposit", {"account": "alice", "amount": "9" * 18}, "more than can be counted"),
        ("set_group_limit", {"group": 1, "instrument_name": BTC, "max_amount": "9" * 18}, "more than can be counted"),
        ("open_account", {"account": "new", "client": "a\nb"}, "client: "),
        ("issue_key", {**KEY, "key": "a,b"}, "key: 'a,b'"),
        ("issue_key", {**KEY, "scopes": "read,compliance"}, "officer's key belongs to none"),
        ("issue_key", {**KEY, "identity": None}, "identity: 'Alice' has none yet"),
        ("issue_key", {**KEY, "identity": "passport HK K1234567"}, "identity: it was not sealed"),
        ("issue_key", {**KEY, "identity": document(1)}, "bound to another person, 'Ann'"),
        ("issue_key", {**KEY, "person": "\u0410nn"}, "mixes Cyrillic and Latin"),
        ("issue_key", {**KEY, "person": "B\u0435n"}, "mixes Cyrillic and Latin"),
        ("issue_key", {**KEY, "person": "ANN"}, "'ANN' looks like 'Ann'"),
        ("bind_identity", {"person": "Ann", "identity": document(2)}, "bound to another person, 'Ben'"),
        ("bind_identity", {"person": "Ann", "identity": document(1)}, "this document already"),
        ("open_account", {"account": "a1ice"}, "'a1ice' looks like 'alice'"),
        ("open_account", {"account": "alice2", "client": "\u0430\u04cf\u0456\u0441\u0435"}, "looks like 'alice'"),
        ("set_surveillance_threshold", {"threshold": "speed", "value": 1}, "threshold: 'speed'; choose from"),
        ("set_surveillance_threshold", {"threshold": "step_s", "value": 0}, "value: 0 must be from 1 to 3600"),
        ("set_venue_parameter", {"parameter": "surveillance", "value": 1}, "set_surveillance_threshold"),
        ("set_index_sources", {"instrument_name": BTC, "sources": "kraken:XBT/USD"}, "a contract needs 3"),
        ("set_index_sources", {"instrument_name": BTC, "sources": "moon:XBT/USD"}, "is not VENUE:PAIR"),
        ("set_index_sources", {"instrument_name": BTC, "sources": "scripted:5,okx:BTC-USD"}, "stands alone"),
        ("set_index_sources", {"instrument_name": BTC, "sources": "scripted:5", "weights": "1"}, "3 whole numbers"),
        ("record_evidence", evidence(investor="trust_corporation"), "trust_corporation; total_assets does"),
        ("issue_key", {**KEY, "key": "12345678"}, "not 8 of them"),
        ("list_contract", {"base": "BTC"}, "listed already"),
        ("set_contract_parameter", {"instrument_name": BTC, "parameter": "speed", "value": 1}, "choose from"),
        ("set_venue_parameter", {"parameter": "collateral_haircut_ppb", "value": 1}, "name btc or eth"),
        ("set_venue_parameter", {"parameter": "mark_tick_ns", "asset": "btc", "value": 1}, "name btc or eth"),
        ("revoke_key", {"key": "nope"}, "no live key"),
    ],
)
def test_what_could_not_be_is_refused_when_it_is_asked_for(venue, kind, fields, word):
    with pytest.raises((RegistryError, ValueError), match=word):
        venue.submit(kind, **fields)
    assert venue.office.changes("all", 10, NOW) == [] and venue.writes() == []


def test_affiliates_collateral_and_groups_become_their_directives(venue):
    fields = {"account": "alice", "instrument_name": BTC, "valid_from": "2026-12-01", "valid_through": "2026-12-31"}
    venue.done("approve_affiliate", **fields, **GOVERNED)
    venue.done("record_deposit", account="alice", amount="1.5", asset="btc")
    venue.done("set_group_limit", group=4, instrument_name=BTC, max_amount="2.5")
    venue.done("set_maker_programme", account="alice", programme="tier-1")
    approval, coins, group = venue.writes()
    assert (approval.source_time_ns, approval.value) == (1_796_054_400 * 10**9, 1_798_732_800 * 10**9)
    assert (coins.item, coins.amount_micros) == (Asset.BTC, 150_000_000)
    assert (group.item, group.contract_slot, group.value) == (4, 0, 2500)
    assert [r.topic for r in venue.registry.records_of(1)] == ["approval", "deposit", "maker_programme"]


def test_an_approval_keeps_who_answers_for_conflicts_and_the_information_barriers(venue):
    """In the client's file and in the change itself; a withdrawal is one officer's and needs neither."""
    fields = {"account": "alice", "instrument_name": BTC, "valid_through": "2026-12-31"}
    assert venue.done("approve_affiliate", **fields, **GOVERNED).params[OFFICER] == "Eve  Ho"
    [record] = venue.registry.records_of(1)
    assert (record.details["responsible_officer"], record.document_hash) == ("Eve Ho", "b1" * 32)
    assert venue.submit("approve_affiliate", account="alice", instrument_name=BTC).state == "done"


def test_who_trades_for_an_affiliate_does_not_answer_for_its_conflicts(venue):
    venue.key("Eve Ho", "k4", ("trade",), slot=0)
    fields = {"account": "alice", "instrument_name": BTC, "valid_through": "2026-12-31"}
    with pytest.raises(RegistryError, match="holds a key of account alice; name one who does not trade"):
        venue.submit("approve_affiliate", **fields, **GOVERNED | {OFFICER: " eve hO "})


def test_one_officer_suspends_an_affiliate_in_every_contract_at_once(venue):
    venue.done("approve_affiliate", account="alice", instrument_name=BTC, valid_through="2026-12-31", **GOVERNED)
    assert venue.submit("set_affiliation", client="alice", affiliation="group_company").state == "done"
    before = len(venue.writes())
    assert venue.submit("suspend_affiliate", client="alice").state == "done"
    restriction, ended = venue.writes()[before:]
    assert (restriction.code, restriction.value, restriction.sweeps) == (A.RESTRICTION, Restriction.REDUCE_ONLY, True)
    assert (ended.kind, ended.contract_slot, ended.value) == (D.AFFILIATE_APPROVAL, 0, 0)
    assert venue.registry.records_of(1)[-1].details == {"approvals_ended": 1}
    assert venue.submit("set_restriction", account="alice", restriction="none").state == "proposed"


@pytest.mark.parametrize("restriction", ["frozen", "closed"])
def test_a_suspension_loosens_nothing(venue, restriction):
    """Who is frozen stays frozen, and a closed account is left alone."""
    venue.submit("set_affiliation", client="alice", affiliation="group_company")
    venue.submit("set_restriction", account="alice", restriction=restriction)
    before = len(venue.writes())
    assert venue.submit("suspend_affiliate", client="alice").state == "done"
    values = [(intent.code, intent.value) for intent in venue.writes()[before:]]
    assert values == ([(A.RESTRICTION, Restriction.REDUCE_ONLY)] if restriction == "frozen" else [])
    assert client_value(venue.registry, "alice", C.FROZEN) == (restriction == "frozen")


def test_a_change_tells_what_the_engine_made_of_it(venue):
    change = venue.submit("set_restriction", account="alice", restriction="frozen")
    [intent] = venue.writes()
    venue.registry.mark_applied([(intent.reference, 9, 1402)])
    described = venue.office.described(change, NOW)
    assert described["directives"][0]["refused"] == "BAD_PARAMETER" and described["directives"][0]["sequence"] == 9
    assert (described["actor_name"], described["approver"], described["reason"]) == ("Ann", None, "because")
    assert venue.submit("set_restriction", account="alice", restriction="none").state == "done"


def test_parameters_say_what_they_are():
    for kind in KINDS.values():
        assert issubclass(kind.params, m.ChangeParams) and kind.summary.endswith(".")


LADDER = {A.RESTRICTION: -1, A.KILL_SWITCH: -1, A.PI_WITHDRAWN: -1, A.AFFILIATION: -1}
"""Which way an attribute loosens, where that is not upwards."""


def random_change(draw):
    """A change that an officer may think of, from a seeded generator."""
    day = f"2026-11-{draw.integers(1, 27):02d}"
    later = f"{draw.integers(2026, 2029)}-12-{draw.integers(1, 29):02d}"
    document = {"document_date": day, "document_hash": HASH}
    choices = (
        ("record_evidence", evidence(date=day)),
        ("record_kyc", {"client": "alice", "valid_through": later, **document}),
        ("record_screening", {"client": "alice", "outcome": "clear", "valid_through": later, **document}),
        ("record_screening", {"client": "alice", "outcome": "hit", **document}),
        ("record_jurisdiction", {"client": "alice", "residence": "HK", "is_permitted": True, **PROOF, **document}),
        ("record_jurisdiction", {"client": "alice", "residence": "HK", "is_permitted": False}),
        ("record_employment", {"client": "alice", **document, **EMPLOYED[draw.integers(3)]}),
        ("record_risk_profile", {"client": "alice", "is_suitable": bool(draw.integers(2)), **document}),
        ("record_disclosure", {"client": "alice", "disclosure": "loss", "version": 1, **document}),
        ("withdraw_status", {"client": "alice"}),
        ("restore_status", {"client": "alice", **document}),
        ("set_restriction", {"account": "alice", "restriction": RESTRICTIONS[draw.integers(5)]}),
        ("set_restriction", {"client": "alice", "restriction": RESTRICTIONS[draw.integers(5)]}),
        ("set_limits", {"client": "alice", "max_exposure": str(draw.integers(0, 9))}),
        ("kill_switch", {"target": "client", "name": "alice", "is_on": bool(draw.integers(2))}),
        ("set_affiliation", {"client": "alice", "affiliation": AFFILIATIONS[draw.integers(4)]}),
        ("set_limits", {"account": "alice", "max_exposure": str(draw.integers(1, 9)), "max_leverage": 1}),
        ("kill_switch", {"target": "account", "name": "alice", "is_on": bool(draw.integers(2))}),
        ("set_group", {"account": "alice", "group": int(draw.integers(3))}),
        ("record_deposit", {"account": "alice", "amount": "5"}),
        ("open_account", {"account": f"alice-{draw.integers(50)}", "parent": "alice"}),
    )
    return choices[draw.integers(len(choices))]


PROOF = {"document": "bank_statement"}
EMPLOYED = ({"is_employee": False}, {"is_employee": True}, {"is_employee": True, "is_permitted": True})
RESTRICTIONS = ("none", "reduce_only", "suspended", "frozen", "closed")
AFFILIATIONS = ("client", "group_company", "operator", "custody")


@pytest.mark.parametrize("seed", range(5))
def test_one_person_with_two_keys_never_loosens_anything(venue, seed):
    draw = np.random.default_rng(seed)
    keys = (venue.ann, venue.ann_too)
    for _ in range(120):
        kind, fields = random_change(draw)
        with suppress(RegistryError):
            change = venue.submit(kind, officer=keys[draw.integers(2)], **fields)
            if change.state == "proposed":
                venue.office.approve(change.number, keys[draw.integers(2)], "", NOW)
    values, limit = {}, 2**62
    for intent in venue.writes():
        assert intent.approver == 0 and intent.kind in (D.ACCOUNT_OPEN, D.ACCOUNT_SET, D.CLIENT_SET)
        if intent.kind == D.CLIENT_SET:
            if intent.code == C.MAX_EXPOSURE_MICROS:
                assert (intent.value or 2**62) <= limit
                limit = intent.value or 2**62
            else:
                assert intent.value == 1
            continue
        if intent.kind == D.ACCOUNT_SET and intent.code == A.CLIENT:
            continue
        if intent.kind == D.ACCOUNT_OPEN or intent.account_slot != 0:
            assert intent.value == 0 or intent.code in (*LADDER, A.MAX_EXPOSURE_MICROS, A.MAX_LEVERAGE)
            continue
        attribute = A(intent.code)
        start = 2**62 if attribute in (A.MAX_EXPOSURE_MICROS, A.MAX_LEVERAGE) else 0
        before = values.get(attribute, start)
        assert (intent.value - before) * LADDER.get(attribute, 1) <= 0, attribute
        values[attribute] = intent.value
    assert values[A.RESTRICTION] > 0 and len(values) >= 4
