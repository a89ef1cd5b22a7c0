"""`lionrock admin`, and `account` and `key` once a venue has officers, as a person calls them."""

import argparse
import hashlib
import json
import stat

import pytest

from engine.codes import AccountAttribute, CommandKind, Reason
from gateway.cli import COMMANDS
from gateway.commands import account, admin, key, officer
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.office.proposals import Office
from gateway.registry.registry import Registry, RegistryError
from gateway.registry.vault import Vault
from tests.gateway.identified import identity_file, officer_words

DOCUMENT = ["--document-hash", "0" * 64]


class Lionrock:
    """The command line on one data folder; answers JSON."""

    def __init__(self, folder, capsys):
        self.folder = folder
        self._capsys = capsys
        self._parser = argparse.ArgumentParser(prog="lionrock")
        subparsers = self._parser.add_subparsers()
        for command in (account, key, admin):
            command.add_parser(subparsers)

    def __call__(self, *words):
        self.text(*words, "--json")
        return json.loads(self.out)

    def parse(self, *words):
        return self._parser.parse_args([*words, "--data", str(self.folder / "data")])

    def captured(self):
        return self._capsys.readouterr()

    def text(self, *words):
        args = self.parse(*words)
        assert args.run(args) == 0
        self.out = self.captured().out
        return self.out

    def text_of_template(self, change):
        """What `admin template` prints."""
        args = self._parser.parse_args(["admin", "template", change])
        assert args.run(args) == 0
        return self.captured().out

    def refused(self, *words):
        """The one line of a refusal."""
        with pytest.raises(SystemExit) as caught:
            self(*words)
        assert caught.value.code == 2
        lines = self._capsys.readouterr().err.strip().splitlines()
        return lines[-1]

    def registry(self):
        return Registry(self.folder / "data" / "registry.db")


@pytest.fixture
def lionrock(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LIONROCK_OFFICER", raising=False)
    return Lionrock(tmp_path, capsys)


@pytest.fixture
def officers(lionrock, tmp_path):
    """The words that make Ann and Ben act."""
    files = [str(tmp_path / name) for name in ("ann.key", "ben.key")]
    lionrock("admin", "init", *officer_words(("Ann Lee", files[0]), ("Ben Wong", files[1])))
    return [["--as", file, "--reason", "a test"] for file in files]


def test_the_ceremony_names_two_persons_once(lionrock, tmp_path):
    files = [str(tmp_path / name) for name in ("a.key", "b.key", "c.key")]
    who = tmp_path / "who"
    who.mkdir()
    ann, ben, eve = (identity_file(who, name) for name in ("Ann", "Ben", "Eve"))
    one = ["--officer", "Ann", files[0], ann]
    assert "two different persons" in lionrock.refused("admin", "init", *one)
    assert "two different persons" in lionrock.refused("admin", "init", *one, "--officer", "Ann", files[1], ann)
    (tmp_path / "b.key").write_text("mine")
    assert "b.key" in lionrock.refused("admin", "init", *one, "--officer", "Ben", files[1], ben)
    assert (tmp_path / "b.key").read_text() == "mine" and {file.name for file in tmp_path.iterdir()} == {"b.key", "who"}
    nowhere = str(tmp_path / "none" / "b.key")
    assert "no such file" in lionrock.refused("admin", "init", *one, "--officer", "Ben", nowhere, ben)
    assert {file.name for file in tmp_path.iterdir()} == {"b.key", "who"}
    twice = [*one, "--officer", "Ben", files[2], ann]
    assert "bound to another person, 'Ann'" in lionrock.refused("admin", "init", *twice)
    assert "--identity-file: it is missing" in lionrock.refused("admin", "init", *one, "--officer", "Ben", files[2])
    assert {file.name for file in tmp_path.iterdir()} == {"b.key", "who"}
    made = lionrock("admin", "init", *one, "--officer", "Ben", files[2], ben)
    assert [row["officer"] for row in made] == ["Ann", "Ben"] and "secret" not in lionrock.out
    for file in (tmp_path / "a.key", tmp_path / "c.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert set(json.loads(file.read_text())) == {"id", "secret"}
    assert "named already" in lionrock.refused("admin", "init", *one, "--officer", "Eve", str(tmp_path / "e.key"), eve)


def test_the_ceremony_revokes_every_officers_key_made_before(lionrock, tmp_path):
    lionrock("account", "create", "mal")
    for scopes in ("admin,compliance", "read,admin", "compliance"):
        made = lionrock("key", "create", "mal", "--person", "Mallory", "--scopes", scopes)[0]
    (tmp_path / "mal.key").write_text(json.dumps({"id": made["id"], "secret": made["secret"]}))
    reader = lionrock("key", "create", "mal", "--person", "Rita", "--scopes", "read,trade")[0]["id"]
    mallory = ["--as", str(tmp_path / "mal.key"), "--reason", "mine"]
    evidence = ["record-agreement", "--client", "mal", "--version", "1", "--document-date", "2026-11-01", *DOCUMENT]
    files = [str(tmp_path / name) for name in ("ann.key", "ben.key")]
    args = lionrock.parse("admin", "init", *officer_words(("Ann", files[0]), ("Ben", files[1])))
    assert args.run(args) == 0
    said = lionrock.captured().err
    assert said.count("revoked: key") == 3 and f"key {made['id']} of Mallory (compliance), made before" in said
    live = {row["id"] for row in lionrock("key", "list") if not row["revoked"]}
    assert live == {reader, *(json.loads((tmp_path / name).read_text())["id"] for name in ("ann.key", "ben.key"))}
    ann = ["--as", files[0], "--reason", "r"]
    number = str(lionrock("account", "deposit", "mal", "5", *ann)[0]["number"])
    for words in (["approve", number], ["list-changes"], evidence):
        assert "unknown or revoked" in lionrock.refused("admin", *words, *mallory)
    assert lionrock("admin", "approve", number, "--as", files[1])[0]["state"] == "approved"


def test_someone_who_trades_is_no_officer(lionrock, tmp_path):
    lionrock("account", "create", "alice")
    lionrock("key", "create", "alice", "--person", "Ann")
    words = officer_words(("Ann", tmp_path / "a.key"), ("Ben", tmp_path / "b.key"))
    for order in (words, [*words[4:], *words[:4]]):
        assert "one person" in lionrock.refused("admin", "init", *order)
        assert not lionrock.registry().is_governed and not list(tmp_path.glob("*.key"))


def test_a_ceremony_that_is_done_stays_done_though_nobody_reads_it(lionrock, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("the screen is full")

    monkeypatch.setattr(admin, "show", fails)
    words = officer_words(("Ann", tmp_path / "a.key"), ("Ben", tmp_path / "b.key"))
    assert "the screen is full" in lionrock.refused("admin", "init", *words)
    assert lionrock.registry().is_governed and len(list(tmp_path.glob("*.key"))) == 2


def test_a_mistyped_data_folder_is_refused_and_nothing_is_made(lionrock, tmp_path):
    (tmp_path / "ann.key").write_text("{}")
    reading = (
        ["account", "list"], ["key", "list"], ["admin", "list-changes"], ["admin", "show", "1"],
        ["admin", "client", "alice"], ["admin", "lapses"], ["admin", "approve", "1"], ["admin", "reject", "1"],
        ["account", "deposit", "alice", "5"], ["key", "revoke", "k"], ["key", "create", "alice", "--person", "Al"],
    )  # fmt: skip
    for words in reading:
        assert f"--data: {tmp_path / 'data'} has no registry; name the data folder" in lionrock.refused(*words)
        assert [file.name for file in tmp_path.iterdir()] == ["ann.key"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes").write_text("mine")
    assert "has no registry" in lionrock.refused("account", "list")
    assert "amount" in lionrock.refused("account", "create", "a", "--deposit", "x")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["notes"]


def test_an_officer_is_proved_by_the_secret(lionrock, officers, tmp_path):
    words = ["account", "create", "alice"]
    assert "--as: give an officer's key file" in lionrock.refused(*words)
    assert "--reason: it is missing" in lionrock.refused(*words, *officers[0][:2])
    (tmp_path / "x.key").write_text("Ann Lee")
    assert "not a key file" in lionrock.refused(*words, "--as", str(tmp_path / "x.key"))
    ann, ben = (json.loads((tmp_path / name).read_text()) for name in ("ann.key", "ben.key"))
    for forged in ({"id": ann["id"], "secret": ben["secret"]}, {"id": "nobody", "secret": ann["secret"]}):
        (tmp_path / "x.key").write_text(json.dumps(forged))
        assert "unknown or revoked" in lionrock.refused(*words, "--as", str(tmp_path / "x.key"), "--reason", "r")
    assert "no such file" in lionrock.refused(*words, "--as", str(tmp_path / "none"), "--reason", "r")
    assert lionrock.registry().accounts() == []


def test_the_key_file_may_come_from_the_environment(lionrock, officers, monkeypatch):
    monkeypatch.setenv("LIONROCK_OFFICER", officers[0][1])
    fresh = Lionrock(lionrock.folder, lionrock._capsys)
    assert fresh("account", "create", "alice", "--reason", "r")[0]["state"] == "done"


def test_account_and_key_go_through_the_same_rule(lionrock, officers, tmp_path):
    ann, ben = officers
    rows = lionrock("account", "create", "alice", "--deposit", "1000", *ann)
    assert [(row["change"], row["state"]) for row in rows] == [("open_account", "done"), ("record_deposit", "proposed")]
    assert "evidence decides it now" in lionrock.refused("account", "create", "b", "--class", "individual", *ann)
    assert "takes evidence now" in lionrock.refused(
        "key", "create", "alice", "--person", "Al", "--knowledge-until", "2030-01-01", *ann
    )
    assert lionrock("account", "deposit", "alice", "5", *ann)[0]["state"] == "proposed"
    assert "--identity-file: it is missing" in lionrock.refused("key", "create", "alice", "--person", "Al", *ann)
    al = ["--identity-file", identity_file(tmp_path, "Al")]
    [made] = lionrock("key", "create", "alice", "--person", "Al", *al, *ann)
    assert made["state"] == "proposed" and len(made["secret"]) == 64
    assert [row["id"] for row in lionrock("key", "list", "alice")] == []
    assert "same person" in lionrock.refused("admin", "approve", str(made["number"]), *ann)
    assert lionrock("admin", "approve", str(made["number"]), *ben)[0]["state"] == "approved"
    assert [row["id"] for row in lionrock("key", "list", "alice")] == [made["id"]]
    assert lionrock("key", "revoke", made["id"], *ben)[0]["state"] == "done"
    assert "last two officers" in lionrock.refused("key", "revoke", lionrock("key", "list")[0]["id"], *ben)
    registry = lionrock.registry()
    kinds = {intent.kind for intent in registry.pending_intents()}
    assert kinds - {CommandKind.ATTEST} == {CommandKind.ACCOUNT_OPEN, CommandKind.ACCOUNT_SET, CommandKind.KEY_REVOKE}
    registry.close()


def test_evidence_by_a_file_is_kept_as_its_hash(lionrock, officers, tmp_path):
    ann, ben = officers
    lionrock("account", "create", "alice", *ann)
    document = tmp_path / "statement.pdf"
    document.write_bytes(b"a statement")
    today = lionrock("admin", "client", "alice", *ann)["today"]
    words = ["admin", "record-evidence", "--client", "alice", "--investor", "individual", *ann]
    item = ["document=custodian_statement", f"date={today}", "date_means=issued", f"hash={document}", "asset=mixed"]
    assert "below the HK$8000000" in lionrock.refused(*words, "--item", *item, "amount=7999999.99")
    [made] = lionrock(*words, "--item", *item, "amount=8000000.00")
    [remark] = made["remarks"]
    assert remark.startswith("it proves individual with HK$8000000.00 through ")
    told = lionrock.text("admin", "list-changes", *ann)
    assert "proposed  record_evidence  client=alice" in told and "items=[document=custodian_statement date=" in told
    [listed] = lionrock("admin", "list-changes", *ann)
    assert (listed["number"], listed["by"], listed["reason"]) == (made["number"], "Ann Lee", "a test")
    lionrock("admin", "approve", str(made["number"]), "--note", "seen", *ben)
    assert lionrock("admin", "list-changes", *ben) == []
    shown = lionrock("admin", "show", str(made["number"]), *ben)
    assert (shown["approver_name"], shown["note"]) == ("Ben Wong", "seen")
    assert [row["code"] for row in shown["directives"]] == ["investor_class", "evidence_until_ns"]
    file = lionrock("admin", "client", "alice", *ben)
    [kept] = file["records"][0]["details"]["items"]
    assert (kept["hash"], kept["counted_hkd"]) == (hashlib.sha256(b"a statement").hexdigest(), "8000000.00")
    assert file["accounts"][0]["in_force"]["investor_class"] == "individual"
    [soon] = lionrock("admin", "lapses", "--days", "366", *ben)
    assert (soon["topic"], soon["valid_through"]) == ("evidence", file["records"][0]["valid_through"])
    assert soon["days_left"] in (365, 366) and lionrock("admin", "lapses", *ben) == []
    assert file["accounts"][0]["in_force"]["evidence_until"] == file["records"][0]["valid_through"]
    assert '"client": "alice"' in lionrock.text("admin", "client", "alice", *ben)


def test_a_venue_with_officers_is_read_and_set_up_by_them_alone(lionrock, officers):
    for words in (["list-changes"], ["show", "1"], ["client", "alice"]):
        assert "--as: give an officer's key file" in lionrock.refused("admin", *words)
    registry = lionrock.registry()
    vault = Vault(lionrock.folder / "data" / "vault.key", registry)
    for set_up in (
        lambda: set_up_venue(registry, 1, 1),
        lambda: list_contracts(registry, 1),
        lambda: open_trader(registry, vault, "eve", 1, 1),
    ):
        with pytest.raises(RegistryError, match="this venue has them"):
            set_up()
    registry.close()


def test_tightening_is_done_and_a_rejection_ends_a_proposal(lionrock, officers):
    ann, ben = officers
    lionrock("account", "create", "alice", *ann)
    killing = ["admin", "kill-switch", "--target", "account", "--name", "alice", "--is-on"]
    assert lionrock(*killing, "true", *ann)[0]["state"] == "done"
    [made] = lionrock(*killing, "false", *ann)
    assert made["state"] == "proposed"
    assert lionrock("admin", "reject", str(made["number"]), *ben)[0]["state"] == "rejected"
    assert lionrock("admin", "list-changes", "--state", "rejected", *ben)[0]["approver"] == "Ben Wong"
    registry = lionrock.registry()
    assert registry.attribute(0, AccountAttribute.KILL_SWITCH) == 1
    registry.close()


def test_what_the_engine_refused_is_shown_as_refused(lionrock, officers):
    ann, ben = officers
    lionrock("account", "create", "alice", *ann)
    number = lionrock("admin", "record-withdrawal", "--account", "alice", "--amount", "7", *ann)[0]["number"]
    [approved] = lionrock("admin", "approve", str(number), *ben)
    assert (approved["state"], approved["sequence"]) == ("approved", None)
    assert approved["outcome"] == "recorded; no venue is running here, so it is carried out at the next start"
    assert approved["next"] == f"lionrock admin show {number}"
    assert lionrock("admin", "list-changes", "--state", "refused", *ann) == []
    registry = lionrock.registry()
    [(intent, _)] = registry.intents_of(number)
    registry.mark_applied([(intent.reference, 9, int(Reason.WITHDRAWAL_LIMIT))])
    for state in ("all", "approved", "refused"):
        [row] = [row for row in lionrock("admin", "list-changes", "--state", state, *ann) if row["number"] == number]
        assert (row["state"], row["refused"]) == ("refused", "WITHDRAWAL_LIMIT")
    listed = lionrock.text("admin", "list-changes", "--state", "all", *ann)
    assert "refused (WITHDRAWAL_LIMIT)  record_withdrawal" in listed
    [record] = lionrock("admin", "client", "alice", *ann)["records"]
    assert (record["topic"], record["refused"]) == ("withdrawal", "WITHDRAWAL_LIMIT")
    change = Office(registry).change(number, 0)
    told = officer.row(registry, change, str(lionrock.folder / "data"))
    assert told["outcome"].startswith("the venue refused it: WITHDRAWAL_LIMIT (") and told["next"] == ""
    registry.mark_applied([(intent.reference, 9, 0)])
    told = officer.row(registry, change, str(lionrock.folder / "data"))
    assert (told["outcome"], told["sequence"], told["next"]) == ("carried out at sequence 9", 9, "")
    assert lionrock("admin", "client", "alice", *ann)["records"][0]["refused"] is None
    registry.close()


def test_what_is_decided_is_told_though_a_later_number_fails(lionrock, officers):
    ann, ben = officers
    lionrock("account", "create", "alice", *ann)
    number = str(lionrock("account", "deposit", "alice", "7", *ann)[0]["number"])
    args = lionrock.parse("admin", "approve", number, "99", *ben, "--json")
    with pytest.raises(SystemExit):
        args.run(args)
    said = lionrock.captured()
    assert json.loads(said.out)[0]["state"] == "approved" and "no change 99" in said.err


def test_no_reason_or_name_can_forge_a_line_of_the_list(lionrock, officers):
    ann, _ = officers
    lionrock("account", "create", "alice", *ann)
    forged = "ok)\n   99  proposed  record_deposit  account=alice amount=1\x1b[2K\u202e"
    lionrock("account", "deposit", "alice", "7000", "--as", ann[1], "--reason", forged)
    *lines, _ = lionrock.text("admin", "list-changes", *ann).splitlines()
    assert len(lines) == 1 and "\x1b" not in lines[0] and "\u202e" not in lines[0] and "ok)\\n" in lines[0]
    spaced = ["--client", "alice", "--version", "1 client=bob", "--document-date", "2026-01-01", *DOCUMENT]
    lionrock("admin", "record-agreement", *spaced, *ann)
    assert 'version="1 client=bob"' in lionrock.text("admin", "list-changes", *ann)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["record-kyc", "--client", "alice"], "are required"),
        (["record-agreement", "--client", "a", "--version", "1", "--document-date", "1", *DOCUMENT], "length"),
        (["kill-switch", "--target", "moon", "--is-on", "true"], "invalid choice"),
        (["kill-switch", "--target", "venue", "--is-on", "yes"], "say true or false"),
        (["record-agreement", "--document-hash", "none.pdf"], "no SHA-256 and no file"),
        (["set-group", "--account", "alice", "--group", "-1"], "group: Expected int >= 0"),
        (["approve", "77"], "there is no change 77"),
        (["show", "77"], "there is no change 77"),
        (["client", "nobody"], "no client 'nobody'"),
    ],
)
def test_errors_are_one_line(lionrock, officers, words, word):
    assert word in lionrock.refused("admin", *words, *officers[0])


def test_help_shows_every_change(lionrock, capsys):
    assert "admin" in COMMANDS
    with pytest.raises(SystemExit):
        lionrock("admin", "--help")
    text = capsys.readouterr().out
    assert "record-evidence" in text and "set-venue-parameter" in text and "examples:" in text
    with pytest.raises(SystemExit):
        lionrock("admin", "record-evidence", "--help")
    text = capsys.readouterr().out
    assert "--item" in text and "joint_with_associate" in text and "trust_corporation" in text
