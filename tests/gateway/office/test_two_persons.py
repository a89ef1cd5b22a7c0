"""Two officers are two persons: documents that prove who each is, names that look alike, and pairs with one duty."""

import io
import stat

import pytest

from engine.codes import NIL, CommandKind
from engine.codes import VenueParameter as V
from gateway.registry import identities, spellings
from gateway.registry.registry import Intent, KeyOrder, Registry, RegistryError
from gateway.registry.vault import Vault
from tests.gateway.commands.test_admin import Lionrock
from tests.gateway.desk import Desk, ask
from tests.gateway.identified import document, identity_file, officer_words
from tests.gateway.office.test_proposals import HASH, NOW, Venue, evidence
from tests.gateway.registry.older_file import older_file

NUMBER = "K7654321"
CYRILLIC = "\u0410nn Lee"


@pytest.fixture
def venue(tmp_path):
    venue = Venue(tmp_path / "registry.db")
    yield venue
    venue.registry.close()


@pytest.fixture
def lionrock(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LIONROCK_OFFICER", raising=False)
    return Lionrock(tmp_path, capsys)


# --- documents ----------------------------------------------------------------------------------------------------


def test_one_document_has_one_hash_however_it_is_written(tmp_path):
    registries = [Registry(tmp_path / name) for name in ("registry.db", "other.db")]
    vault, other = (Vault(registry.path.with_suffix(".key"), registry) for registry in registries)
    for registry in registries:
        registry.close()
    written = ("identity_card HK A123456(7)", "identity_card hk a123456-7 ", " identity_card HK A 123 456 (7)\n")
    found = {identities.sealed(text, vault) for text in written}
    assert len(found) == 1 and "A1234567" not in found.pop()
    told = {identities.sealed(written[0], vault), identities.sealed(written[0], other)}
    told |= {identities.sealed(f"{kind} HK A1234567", vault) for kind in ("passport", "travel_document")}
    told |= {identities.sealed(f"identity_card {rest}", vault) for rest in ("CN A1234567", "HK A1234568")}
    assert len(told) == 6
    assert stat.S_IMODE((tmp_path / "registry.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("licence HK K7654321", "no kind of document"), ("passport HKG K7654321", "no country"), ("", "no kind"),
        ("passport HK", "4 to 24"), ("passport HK ABC", "4 to 24"), ("passport HK \u041a7654321", "4 to 24"),
        ("passport HK K7654321_" + "9" * 20, "4 to 24"),
    ],
)  # fmt: skip
def test_what_is_no_identity_is_refused_without_its_number(tmp_path, text, word):
    registry = Registry(tmp_path / "registry.db")
    vault = Vault(tmp_path / "vault.key", registry)
    registry.close()
    with pytest.raises(RegistryError, match=word) as refused:
        identities.sealed(text, vault)
    assert "7654321" not in str(refused.value)


def holds(folder, number):
    """The files of a data folder that hold this text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and number.encode() in path.read_bytes()]


def test_the_number_is_kept_nowhere_by_command_or_over_the_wire(lionrock, tmp_path):
    files = [(name, tmp_path / f"{name}.key") for name in ("Ann", "Ben")]
    lionrock("admin", "init", *officer_words(*files))
    ann, ben = ([*("--as", str(file)), "--reason", "r"] for _, file in files)
    lionrock("account", "create", "alice", *ann)
    paper = identity_file(tmp_path, "Alice", NUMBER)
    [made] = lionrock("key", "create", "alice", "--person", "Alice", "--identity-file", paper, *ann)
    lionrock("admin", "approve", str(made["number"]), *ben)
    second = identity_file(tmp_path, "Again", NUMBER.replace("7", "8"))
    [renewed] = lionrock("admin", "bind-identity", "--person", "Alice", "--identity-file", second, *ann)
    assert renewed["state"] == "proposed"
    assert "identity" not in lionrock.text("admin", "list-changes", *ann).partition("bind_identity")[2]
    lionrock("admin", "approve", str(renewed["number"]), *ben)
    [person] = lionrock("admin", "client", "alice", *ann)["persons"]
    assert person["documents"] == ["passport HK"] * 2
    assert holds(tmp_path / "data", NUMBER) == holds(tmp_path / "data", NUMBER.replace("7", "8")) == []


def test_over_the_wire_the_number_is_hashed_before_anything_is_kept(tmp_path):
    desk = Desk(tmp_path)
    for name in ("ann", "ben"):
        desk.add_key(name, NIL, ["compliance", "admin"])
    desk.registry.govern(NOW)
    ann, ben = desk.session("ann"), desk.session("ben")
    asked = {"person": "person of ann", "identity": f"passport HK {NUMBER}", "reason": "named"}
    told = ask(ann, "venue/admin/bind_identity", **asked)["result"]
    assert told["state"] == "proposed" and told["params"]["identity"].startswith("passport HK ")
    shown = ask(ben, "venue/admin/preview_change", change="bind_identity", params=told["params"])["result"]
    assert shown["needs_second_person"]  # the second person sees what the proposal does, of which only a hash is kept
    assert ask(ben, "venue/admin/approve", number=told["number"])["result"]["state"] == "approved"
    again = ask(ann, "venue/admin/bind_identity", **asked | {"person": "person of ben"})["error"]["data"]
    assert again["param"] == "identity" and "bound to another person" in again["reason"]
    bad = ask(ann, "venue/admin/bind_identity", **asked | {"identity": f"paper {NUMBER}"})["error"]["data"]
    assert bad["param"] == "identity" and NUMBER not in str(bad)
    assert NUMBER not in str(told)
    desk.registry.close()
    assert holds(tmp_path, NUMBER) == []


def test_an_identity_comes_from_standard_input_or_a_prompt_too(lionrock, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", io.StringIO("passport HK A0000001\n"))
    files = [str(tmp_path / "a.key"), str(tmp_path / "b.key")]
    ben = identity_file(tmp_path, "Ben")
    lionrock("admin", "init", "--officer", "Ann", files[0], "-", "--officer", "Ben", files[1], ben)
    lionrock("account", "create", "alice", "--as", files[0], "--reason", "r")
    asked = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "passport HK A0000001")
    words = ["key", "create", "alice", "--person", "Alice", "--as", files[0], "--reason", "r"]
    assert "bound to another person, 'Ann'" in lionrock.refused(*words)
    assert asked == ["identity of Alice, as KIND COUNTRY NUMBER: "]


def test_who_has_no_identity_approves_nothing_but_the_binding(venue):
    """As in a venue of an earlier version, whose officers were never bound."""
    venue.registry.one("DELETE FROM identities")
    money = venue.submit("record_deposit", account="alice", amount="5")
    with pytest.raises(RegistryError, match="Ben has no identity yet"):
        venue.office.approve(money.number, venue.ben, "", NOW)
    venue.done("bind_identity", person="Ben", identity=document(2))
    with pytest.raises(RegistryError, match="Ann has no identity yet"):
        venue.office.approve(money.number, venue.ben, "", NOW)
    with pytest.raises(RegistryError, match="bound to another person, 'Ben'"):
        venue.submit("bind_identity", person="Ann", identity=document(2))
    venue.done("bind_identity", person="Ann", identity=document(1))
    assert venue.office.approve(money.number, venue.ben, "", NOW).state == "approved"


def test_an_earlier_file_gets_what_it_lacks(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.person("Ann", NOW)
    registry.close()
    with older_file(tmp_path / "r.db", 4) as old:
        old.executescript("DROP TABLE identities; DROP TABLE spellings; DROP TABLE spelling_tables;")
    registry = Registry(tmp_path / "r.db")
    assert not identities.is_bound(registry, registry.person("Ann", NOW))
    with pytest.raises(RegistryError, match="'ANN' looks like 'Ann'"):
        registry.person("ANN", NOW)
    registry.close()


def test_a_document_that_was_bound_meanwhile_is_refused_at_the_approval(venue):
    asked = {"person": "Cleo", "scopes": "compliance", "kind": "ed25519", "verifier": "A" * 43 + "="}
    first = venue.submit("issue_key", key="n1", identity=document(77), **asked)
    second = venue.submit("issue_key", key="n2", identity=document(77), **asked | {"person": "Dora"})
    venue.office.approve(first.number, venue.ben, "", NOW)
    with pytest.raises(RegistryError, match="bound to another person, 'Cleo'"):
        venue.office.approve(second.number, venue.ben, "", NOW)
    assert venue.registry.key("n2") is None and not venue.registry.find_person("Dora")
    with pytest.raises(RegistryError, match="has another document"):
        venue.submit("issue_key", key="n3", identity=document(78), **asked)
    again = venue.submit("issue_key", key="n3", **asked)
    assert venue.office.approve(again.number, venue.ben, "", NOW).state == "approved"


# --- names --------------------------------------------------------------------------------------------------------


def test_one_name_spelt_twice_makes_no_two_officers(lionrock, tmp_path):
    ann = ("Ann Lee", tmp_path / "a.key")
    for name, why in ((CYRILLIC, "mixes Cyrillic and Latin"), ("ANN LEE", "looks like"), ("Ann Iee", "looks like")):
        words = officer_words(ann, (name, tmp_path / "b.key"))
        assert why in lionrock.refused("admin", "init", *words), name
        assert not (tmp_path / "data").exists()
    made = lionrock("admin", "init", *officer_words(ann, ("Chan \u9673\u5927\u6587", tmp_path / "b.key")))
    assert [row["officer"] for row in made] == ["Ann Lee", "Chan \u9673\u5927\u6587"]


def test_names_that_look_alike_are_one(tmp_path):
    registry = Registry(tmp_path / "r.db")
    for name in ("alice", "\u041c\u0430\u0440\u0438\u044f", "Jos\u00e9", "Modern", "\u9673\u5927\u6587"):
        registry.create_account(name, NOW)
    for name, other in (
        ("a1ice", "alice"), ("\u0430\u04cf\u0456\u0441\u0435", "alice"), ("ALICE", "alice"), ("Modem", "Modern"),
        ("\u041c\u0410\u0420\u0418\u042f", "\u041c\u0430\u0440\u0438\u044f"), ("JOS\u00c9", "Jos\u00e9"),
    ):  # fmt: skip
        with pytest.raises(RegistryError, match=f"looks like {other!r}"):
            registry.create_account(name, NOW)
    honest = ("alicia", "Jose", "\u9673\u5927", "Chan \u5927\u6587", "\uae40\ucca0\uc218 K", "\u0414\u0430\u0448\u0430")
    for name in honest:
        registry.create_account(name, NOW)
        registry.person(name, NOW)
    registry.person("alice", NOW)  # persons, clients and accounts are told apart from their own kind
    registry.close()


def test_skeletons_are_made_anew_for_other_tables_of_unicode(tmp_path):
    registry = Registry(tmp_path / "r.db")
    registry.create_account("alice", NOW)
    registry.close()
    registry = Registry(tmp_path / "r.db")
    with registry.transaction():
        registry.write("UPDATE spelling_tables SET version = 'older'")
        registry.write("UPDATE spellings SET skeleton = 'x' || rowid")
    registry.close()
    registry = Registry(tmp_path / "r.db")
    kept = registry.all("SELECT kind, skeleton, name FROM spellings ORDER BY kind")
    assert kept == [("account", "alice", "alice"), ("client", "alice", "alice")]
    assert spellings.skeletons("A\u217cice") == {"alice"}
    registry.close()


# --- pairs --------------------------------------------------------------------------------------------------------


def paid(venue, by, approver, kind="record_deposit"):
    change = venue.submit(kind, officer=by, account="alice", amount="5")
    return venue.office.approve(change.number, approver, "", NOW)


def granted(venue, by, approver, date="2026-01-31"):
    change = venue.submit("record_evidence", officer=by, **evidence(date=date))
    return venue.office.approve(change.number, approver, "", NOW)


def test_the_pair_that_makes_a_client_eligible_does_not_record_its_money(venue):
    cat = venue.key("Cat", "k9")
    granted(venue, venue.ann, venue.ben)
    for kind in ("record_deposit", "record_withdrawal"):
        for by, approver in ((venue.ann, venue.ben), (venue.ben, venue.ann), (venue.ann_too, venue.ben)):
            with pytest.raises(RegistryError, match="have made alice eligible, so one of the two"):
                paid(venue, by, approver, kind)
    assert all(intent.kind not in (CommandKind.DEPOSIT, CommandKind.WITHDRAW) for intent in venue.writes())
    assert paid(venue, venue.ann, cat).state == paid(venue, cat, venue.ben).state == "approved"
    venue.registry.create_account("bob", NOW)
    other = venue.submit("record_deposit", account="bob", amount="5")
    assert venue.office.approve(other.number, venue.ben, "", NOW).state == "approved"


def test_the_pair_that_records_money_does_not_make_the_client_eligible(venue):
    cat = venue.key("Cat", "k9")
    venue.registry.create_account("alice-bot", NOW, parent="alice")
    money = venue.submit("record_deposit", account="alice-bot", amount="5")
    venue.office.approve(money.number, venue.ben, "", NOW)
    with pytest.raises(RegistryError, match="have recorded money of alice"):
        granted(venue, venue.ben, venue.ann)
    number = venue.registry.person("Alice", NOW)
    venue.registry.add_key(KeyOrder("alice", 0, number, "ed25519", b"v" * 32, ("read",), ""), NOW)
    known = {"subject": "derivatives", "person": "Alice", "document_date": "2026-11-20", "document_hash": HASH}
    knowledge = venue.submit("record_knowledge", valid_through="2027-01-01", **known)
    with pytest.raises(RegistryError, match="have recorded money of alice"):
        venue.office.approve(knowledge.number, venue.ben, "", NOW)
    assert granted(venue, cat, venue.ann).state == "approved"
    screening = {"outcome": "hit", "document_date": "2026-11-20", "document_hash": HASH}
    hit = venue.submit("record_screening", client="alice", **screening)
    assert hit.state == "done"  # what tightens is nobody's duty alone


def test_what_counts_is_what_is_in_force(venue):
    cat = venue.key("Cat", "k9")
    granted(venue, venue.ann, venue.ben)
    granted(venue, venue.ann, cat, "2026-02-28")
    assert paid(venue, venue.ann, venue.ben).state == "approved"
    [deposit] = [intent for intent in venue.writes() if intent.kind == CommandKind.DEPOSIT]
    with pytest.raises(RegistryError, match="have recorded money"):
        granted(venue, venue.ann, venue.ben, "2026-03-31")
    venue.registry.mark_applied([(deposit.reference, 9, 1402)])
    assert granted(venue, venue.ann, venue.ben, "2026-03-31").state == "approved"


def test_one_officer_who_says_it_again_makes_no_pair_free(venue):
    venue.key("Cat", "k9")
    granted(venue, venue.ann, venue.ben)
    paper = {"client": "alice", "document_date": "2026-11-20", "document_hash": HASH}
    venue.done("record_agreement", version="1", **paper)
    assert venue.submit("record_evidence", **evidence()).state == "done"  # the same again: nothing is looser
    assert venue.submit("record_evidence", **evidence(date="2025-12-31")).state == "done"
    assert venue.submit("record_agreement", version="1", **paper).state == "done"
    with pytest.raises(RegistryError, match="have made alice eligible"):
        paid(venue, venue.ann, venue.ben)


def test_a_venue_of_two_officers_says_so_or_names_a_third(venue):
    granted(venue, venue.ann, venue.ben)
    with pytest.raises(RegistryError, match="nobody could approve this; name a third officer"):
        venue.submit("record_deposit", account="alice", amount="5")
    both = {"parameter": "one_pair_may_grant_and_pay"}
    allowed = venue.submit("set_venue_parameter", value=1, **both)
    assert allowed.state == "proposed"
    with pytest.raises(RegistryError, match="nobody could approve this"):
        venue.submit("record_deposit", account="alice", amount="5")
    venue.office.approve(allowed.number, venue.ben, "", NOW)
    [kept] = [intent for intent in venue.writes() if intent.kind == CommandKind.VENUE_SET]
    assert (kept.code, kept.value, kept.actor, kept.approver) == (
        V.ONE_PAIR_MAY_GRANT_AND_PAY, 1, venue.ann.person, venue.ben.person,
    )  # fmt: skip
    assert paid(venue, venue.ann, venue.ben).state == "approved"
    venue.done("set_venue_parameter", value=0, **both)
    with pytest.raises(RegistryError, match="nobody could approve this"):
        venue.submit("record_deposit", account="alice", amount="5")


def test_a_setting_that_the_engine_refused_allows_nothing(venue):
    granted(venue, venue.ann, venue.ben)
    venue.done("set_venue_parameter", parameter="one_pair_may_grant_and_pay", value=1)
    kept = venue.writes()[-1]
    venue.registry.mark_applied([(kept.reference, 9, 1402)])
    assert not venue.registry.known_value(Intent(CommandKind.VENUE_SET, int(V.ONE_PAIR_MAY_GRANT_AND_PAY)))
    with pytest.raises(RegistryError, match="nobody could approve this"):
        venue.submit("record_deposit", account="alice", amount="5")


def test_the_refusal_reaches_the_officer_who_asked(lionrock, tmp_path):
    files = [(name, tmp_path / f"{name}.key") for name in ("Ann", "Ben", "Cat")]
    lionrock("admin", "init", *officer_words(*files))
    ann, ben, cat = ([*("--as", str(file)), "--reason", "r"] for _, file in files)
    lionrock("account", "create", "alice", *ann)
    today = lionrock("admin", "client", "alice", *ann)["today"]
    words = ["record-kyc", "--client", "alice", "--document-date", today, "--document-hash", HASH]
    [kyc] = lionrock("admin", *words, "--valid-through", today, *ann)
    lionrock("admin", "approve", str(kyc["number"]), *ben)
    [money] = lionrock("account", "deposit", "alice", "7", *ann)
    said = lionrock.refused("admin", "approve", str(money["number"]), *ben)
    assert "number: Ann and Ben have made alice eligible, so one of the two who do this must be another officer" in said
    assert lionrock("admin", "approve", str(money["number"]), *cat)[0]["state"] == "approved"
