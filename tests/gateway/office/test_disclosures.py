"""Texts of disclosures, and documents that are used for two clients, as officers and clients meet them."""

import hashlib

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind
from engine.codes import ContractParameter as P
from gateway.office import disclosures
from gateway.registry.registry import ContractRecord, Intent, KeyOrder, RegistryError
from tests.gateway.desk import Desk, ask
from tests.gateway.office.test_proposals import BTC, DAY_NS, HASH, NOW, Venue, evidence

TEXT = "You may lose all of your margin.\n"


@pytest.fixture
def venue(tmp_path):
    venue = Venue(tmp_path / "registry.db")
    yield venue
    venue.registry.close()


def published(venue, disclosure="product", version=1, text=TEXT, **fields):
    return venue.done("publish_disclosure", disclosure=disclosure, version=version, text=text, **fields)


def required(venue, version):
    return venue.done("set_contract_parameter", instrument_name=BTC, parameter="disclosure_product", value=version)


def test_two_officers_publish_a_text_that_never_changes(venue):
    first = venue.submit("publish_disclosure", disclosure="product", version=1, text=TEXT)
    assert first.state == "proposed" and disclosures.texts(venue.registry) == []
    venue.office.approve(first.number, venue.ben, "", NOW)
    [text] = disclosures.texts(venue.registry)
    assert (text.sha256, text.text) == (hashlib.sha256(TEXT.encode()).hexdigest(), TEXT)
    assert str(text.effective_from) == "2026-11-26"
    published(venue, version=3, text="longer", effective_from="2026-11-27")
    for version, wrong, word in ((3, "x", "3 is not above 3"), (2, "x", "not above"), (4, TEXT, "that of version 1")):
        with pytest.raises(RegistryError, match=word):
            venue.submit("publish_disclosure", disclosure="product", version=version, text=wrong)
    with pytest.raises(RegistryError, match="effective_from: 2026-11-25 is past"):
        venue.submit("publish_disclosure", disclosure="loss", version=1, text="x", effective_from="2026-11-25")


def test_a_contract_requires_only_a_text_that_is_in_force(venue):
    with pytest.raises(RegistryError, match="version: 1 of the product disclosure has no published text"):
        required(venue, 1)
    published(venue)
    published(venue, version=2, text="longer", effective_from="2026-11-27")
    required(venue, 1)
    with pytest.raises(RegistryError, match="is in force from 2026-11-27; today is 2026-11-26"):
        required(venue, 2)
    change = venue.submit(
        "set_contract_parameter", instrument_name=BTC, parameter="disclosure_product", value=2, now_ns=NOW + DAY_NS
    )
    assert change.state == "proposed"
    with pytest.raises(RegistryError, match="no published text"):
        venue.submit("set_contract_parameter", instrument_name=BTC, parameter="disclosure_loss", value=1)
    required(venue, 0)
    with pytest.raises(RegistryError, match="version: 1 of the loss disclosure has no published text"):
        venue.submit("list_contract", base="ETH")
    for name in ("loss", "affiliate"):
        published(venue, disclosure=name, text=name)
    venue.done("list_contract", base="ETH")


def test_paper_acknowledges_a_published_text(venue):
    paper = {"client": "alice", "disclosure": "product", "document_date": "2026-11-20", "document_hash": HASH}
    with pytest.raises(RegistryError, match="no published text"):
        venue.submit("record_disclosure", version=1, **paper)
    published(venue)
    venue.done("record_disclosure", version=1, **paper)
    [record] = venue.registry.records_of(1)
    assert record.details["text_sha256"] == disclosures.sha256_of(TEXT)
    assert venue.registry.attribute(0, A.DISCLOSURE_PRODUCT) == 1


def test_a_client_reads_the_text_and_acknowledges_it_by_its_hash(tmp_path):
    desk = Desk(tmp_path)
    registry = desk.registry
    with registry.transaction():
        for version, text in ((1, "old"), (2, TEXT), (3, "next")):
            first = disclosures.date.fromisoformat("2027-01-01" if version < 3 else "2027-03-01")
            entry = disclosures.Text("loss", version, disclosures.sha256_of(text), first, text)
            disclosures.publish(registry, entry, NOW)
    registry.add_contract(ContractRecord(0, BTC, "BTC", "USDC", "0.5", "0.001", NOW), [])
    registry.add_intents([Intent(CommandKind.CONTRACT_SET, int(P.DISCLOSURE_LOSS), contract_slot=0, value=2)], NOW)
    rows = ask(desk.session(), "venue/get_disclosures")["result"]
    assert [(row["version"], row["is_required"], row["effective_from"]) for row in rows] == [
        (2, True, "2027-01-01"), (3, False, "2027-03-01"),
    ]  # fmt: skip
    assert (rows[0]["text"], rows[0]["hash"]) == (TEXT, hashlib.sha256(TEXT.encode()).hexdigest())
    assert ask(desk.session(), "venue/get_disclosures", disclosure="product")["result"] == []
    session, wrong = desk.session("alice"), rows[1]["hash"]
    refused = ask(session, "venue/acknowledge_disclosure", disclosure="loss", version=2, hash=wrong)["error"]["data"]
    assert refused["param"] == "hash" and rows[0]["hash"] in refused["reason"]
    assert registry.attribute(0, A.DISCLOSURE_LOSS) is None
    for number in (1, None):
        done = ask(session, "venue/acknowledge_disclosure", disclosure="loss", version=2, hash=rows[0]["hash"])
        wanted = {"number": number, "change": "record_disclosure", "state": "done", "hash": rows[0]["hash"]}
        assert done["result"] == wanted
    [record] = registry.records_of(1)
    assert (record.details["version"], record.details["text_sha256"]) == (2, rows[0]["hash"])


# --- one document for two clients -----------------------------------------------------------------------------------


def told(venue, change):
    return venue.office.described(venue.office.change(change.number, NOW), NOW)["remarks"]


def test_a_document_of_two_clients_is_pointed_out_to_both_officers(venue):
    venue.submit("open_account", account="bob")
    first = venue.submit("record_evidence", **evidence())
    assert told(venue, first) == ["it proves individual with HK$8034000.00 through 2027-01-31"]
    second = venue.submit("record_evidence", **evidence(client="bob", date="2026-02-28"))
    waiting = f"document {HASH[:12]}... is also used for alice: record_evidence, change {first.number}, proposed"
    assert told(venue, second) == ["it proves individual with HK$8034000.00 through 2027-02-28", waiting]
    venue.office.approve(first.number, venue.ben, "", NOW)
    filed = f"document {HASH[:12]}... is also used for alice: evidence, change {first.number}"
    assert told(venue, second)[1:] == [filed]
    listed = venue.office.described(venue.office.change(second.number, NOW), NOW, is_listed=True)
    assert listed["remarks"] == [filed]
    assert venue.office.approve(second.number, venue.ben, "", NOW).state == "approved"
    again = venue.submit("record_evidence", **evidence(client="bob", hash="cd" * 32))
    assert told(venue, again) == []
    dated = {"document_date": "2026-11-20", "valid_through": "2027-11-20"}
    agreed = venue.submit("record_kyc", client="bob", document_hash="cd" * 32, **dated)
    assert told(venue, agreed) == []


def test_a_clients_own_persons_are_no_other_clients(venue):
    venue.key("Alice Chan", "k9", ("read", "trade"), slot=0)
    day = {"document_date": "2026-11-20", "document_hash": HASH}
    venue.done("record_knowledge", subject="virtual_assets", client="alice", **day)
    derivatives = {"subject": "derivatives", "valid_through": "2027-11-20", **day}
    own = venue.submit("record_knowledge", person="Alice Chan", **derivatives)
    assert told(venue, own) == []
    other = venue.registry.person("Bob Ho", NOW)
    venue.registry.create_account("bob", NOW)
    venue.registry.add_key(KeyOrder("k10", 1, other, "ed25519", b"v" * 32, ["read"], ""), NOW)
    theirs = venue.submit("record_knowledge", person="Bob Ho", **derivatives)
    assert {remark.partition(" is also used for ")[2].partition(":")[0] for remark in told(venue, theirs)} == {"alice"}


def test_a_proposal_that_no_longer_holds_says_so(venue):
    change = venue.submit("record_evidence", **evidence(date="2025-11-27"))
    late = NOW + 2 * DAY_NS
    [remark] = venue.office.remarks(venue.office.change(change.number, late), late)
    assert remark.startswith("it cannot be carried out now: item 1, date: 2025-11-27 counts for 12 months")
