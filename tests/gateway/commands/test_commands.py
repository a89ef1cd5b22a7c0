"""`lionrock account` and `lionrock key` as a person calls them."""

import argparse
import asyncio
import base64
import json
import stat
from decimal import Decimal

import pytest

from engine.codes import AccountAttribute, CommandKind, InvestorClass
from gateway.commands import account, common, key, trade
from gateway.registry import authentication
from gateway.registry.authentication import AuthParams
from gateway.registry.registry import Registry

NOW = 1_800_000_000_000_000_000


@pytest.fixture
def lionrock(tmp_path, capsys):
    parser = argparse.ArgumentParser(prog="lionrock")
    subparsers = parser.add_subparsers()
    account.add_parser(subparsers)
    key.add_parser(subparsers)

    def call(*words):
        args = parser.parse_args([*words, "--data", str(tmp_path / "data")])
        assert args.run(args) == 0
        return capsys.readouterr().out

    call.registry = lambda: Registry(tmp_path / "data" / "registry.db")
    call.folder = tmp_path / "data"
    return call


def as_json(text):
    return json.loads(text.splitlines()[-1])


def test_from_nothing_to_a_login(lionrock):
    made = as_json(
        lionrock("account", "create", "alice", "--class", "individual", "--eligible-until", "2030-03-31",
                 "--deposit", "100000.5", "--json")
    )  # fmt: skip
    assert (made[0]["slot"], made[0]["class"]) == (0, "individual")
    words = ["--person", "Alice", "--knowledge-until", "2030-01-01", "--json"]
    [made] = as_json(lionrock("key", "create", "alice", *words))
    registry = lionrock.registry()
    login = AuthParams(grant_type="client_credentials", client_id=made["id"], client_secret=made["secret"])
    grant = authentication.Authenticator(registry, authentication.Vault(lionrock.folder / "vault.key", registry)).login(
        login, NOW
    )
    assert grant.key.scopes == {"read", "trade"}
    intents = registry.pending_intents()
    assert intents[0].kind == CommandKind.ACCOUNT_OPEN
    kyc = next(i for i in intents if i.code == AccountAttribute.KYC_UNTIL_NS and i.kind == CommandKind.ACCOUNT_SET)
    assert kyc.value == 1_901_203_200_000_000_000  # 2030-03-31 16:00 UTC is the midnight that ends the day in Hong Kong
    assert next(i.amount_micros for i in intents if i.kind == CommandKind.DEPOSIT) == 100_000_500_000
    assert intents[-1].kind == CommandKind.PERSON_SET
    registry.close()


def test_lists_and_tables(lionrock):
    lionrock("account", "create", "alice")
    assert "keys: none" in lionrock("key", "list")
    lionrock("account", "create", "sub", "--parent", "alice")
    rows = as_json(lionrock("account", "list", "--json"))
    assert [(row["name"], row["parent"]) for row in rows] == [("alice", None), ("sub", "alice")]
    assert "alice" in lionrock("account", "list")
    [made] = as_json(lionrock("key", "create", "sub", "--person", "P", "--scopes", "read", "--label", "bot", "--json"))
    lionrock("key", "create", "alice", "--person", "P", "--kind", "ed25519")
    assert [row["account"] for row in as_json(lionrock("key", "list", "--json"))] == ["sub", "alice"]
    [row] = as_json(lionrock("key", "list", "sub", "--json"))
    assert row["holder"] == "P"
    assert (row["id"], row["label"], row["revoked"]) == (made["id"], "bot", "")
    lionrock("key", "revoke", made["id"])
    assert as_json(lionrock("key", "list", "sub", "--json"))[0]["revoked"] != ""


def test_a_secret_goes_to_a_file_of_its_own(lionrock, capsys):
    lionrock("account", "create", "alice")
    kept = lionrock.folder.parent / "alice.key"
    said = lionrock("key", "create", "alice", "--person", "Alice", "--output", str(kept))
    made = json.loads(kept.read_text())
    assert made["secret"] not in said and made["id"] in said and str(kept) in said
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    registry, before = lionrock.registry(), kept.read_text()
    login = AuthParams(grant_type="client_credentials", client_id=made["id"], client_secret=made["secret"])
    vault = authentication.Vault(lionrock.folder / "vault.key", registry)
    assert authentication.Authenticator(registry, vault).login(login, NOW).key.id == made["id"]
    refused = {str(kept): "exists; name a new one", str(kept.parent / "none" / "k"): "no such file"}
    for place, why in refused.items():
        with pytest.raises(SystemExit):
            lionrock("key", "create", "alice", "--person", "Bob", "--output", place)
        assert why in capsys.readouterr().err
    for words in (["nobody"], ["alice", "--public-key", "x"]):
        with pytest.raises(SystemExit):
            lionrock("key", "create", *words, "--person", "Bob", "--output", str(kept.parent / "bob.key"))
    assert not (kept.parent / "bob.key").exists()
    assert len(registry.keys()) == 1 and kept.read_text() == before
    registry.close()


def test_a_public_key_is_enough(lionrock):
    lionrock("account", "create", "alice")
    public = base64.b64encode(authentication.new_ed25519_key().verifier).decode()
    [made] = as_json(lionrock("key", "create", "alice", "--person", "P", "--public-key", public, "--json"))
    assert made["secret"] is None and made["kind"] == "ed25519"


def test_deposits(lionrock):
    lionrock("account", "create", "alice")
    told = "recorded; no venue is running here, so it is carried out at the next start"
    assert as_json(lionrock("account", "deposit", "alice", "12.5", "--json")) == [
        {"name": "alice", "amount": "12.5", "sequence": None, "outcome": told}
    ]
    assert told in lionrock("account", "deposit", "alice", "1")


@pytest.mark.parametrize(
    "words, word",
    [
        (["account", "create", "alice"], "account 'alice' exists"),
        (["account", "create", "x", "--parent", "nobody"], "no account 'nobody'"),
        (["account", "create", "x", "--deposit", "-5"], "amount: -5 is negative"),
        (["account", "create", "x", "--deposit", "0"], "must be more than 0"),
        (["account", "create", "x", "--eligible-until", "2030-01-01"], "needs --class"),
        (["account", "deposit", "nobody", "5"], "no account 'nobody'"),
        (["account", "deposit", "alice", "1e-9"], "at most 6 decimals"),
        (["key", "create", "nobody", "--person", "P"], "no account 'nobody'"),
        (["key", "create", "alice", "--person", ""], "person: ''"),
        (["key", "create", "alice", "--person", "P", "--scopes", "root"], "scopes: root"),
        (["key", "create", "alice", "--person", "P", "--scopes", "trade,admin"], "one person"),
        (["key", "create", "alice", "--person", "P", "--public-key", "x"], "32 bytes"),
        (["key", "revoke", "nope"], "no key 'nope'"),
    ],
)
def test_errors_are_one_line_and_change_nothing(lionrock, capsys, words, word):
    lionrock("account", "create", "alice")
    before = lionrock("account", "list", "--json"), lionrock("key", "list", "--json")
    with pytest.raises(SystemExit) as caught:
        lionrock(*words)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert word in message and len(message.splitlines()) == 1
    assert (lionrock("account", "list", "--json"), lionrock("key", "list", "--json")) == before


def test_bad_dates_and_classes_are_usage_errors(lionrock, capsys):
    for words in (
        ["account", "create", "x", "--eligible-until", "soon"],
        ["account", "create", "x", "--eligible-until", "1999-01-01"],
        ["account", "create", "x", "--class", "rich"],
        ["account"],
    ):
        with pytest.raises(SystemExit):
            lionrock(*words)
        assert "error:" in capsys.readouterr().err


def test_a_narrow_console_cuts_neither_the_id_nor_the_secret(lionrock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lionrock("account", "create", "alice")
    text = lionrock("key", "create", "alice", "--person", "Alice")
    facts = dict(line.split(maxsplit=1) for line in text.splitlines() if line.startswith("  "))
    registry = lionrock.registry()
    login = AuthParams(grant_type="client_credentials", client_id=facts["id"], client_secret=facts["secret"])
    grant = authentication.Authenticator(registry, authentication.Vault(lionrock.folder / "vault.key", registry)).login(
        login, NOW
    )
    registry.close()
    assert grant.key.id == facts["id"]
    lionrock("key", "create", "alice", "--person", "Bob", "--label", "[bold] a label longer than the console is wide")
    listed = lionrock("key", "list")
    assert facts["id"] in listed and "[bold] a label longer than the console is wide" in listed
    assert "…" not in text + listed


def test_the_class_listed_is_the_one_in_force(lionrock):
    lionrock("account", "create", "alice")
    registry = lionrock.registry()
    decided = int(InvestorClass.INSTITUTIONAL)
    registry.set_attribute(0, AccountAttribute.INVESTOR_CLASS, decided, NOW, "evidence")
    registry.close()
    assert as_json(lionrock("account", "list", "--json"))[0]["class"] == "institutional"


def test_the_prompt_explains_itself_and_can_be_left(monkeypatch, capsys):
    class Venue:
        async def subscribe(self, channel, callback):
            pass

    lines = iter(["help", "nonsense", "quit", "never read"])
    monkeypatch.setattr("builtins.input", lambda mark: next(lines))
    asyncio.run(trade._prompt(Venue(), as_json=False))
    text = capsys.readouterr().out
    assert text.count("buy CONTRACT AMOUNT [PRICE]") == 2 and "nonsense" in text
    assert list(lines) == ["never read"]


def test_decimals_are_numbers_with_all_their_digits_in_json(capsys):
    rows = [[Decimal("59998.5"), Decimal("0.123")], [Decimal(60_000), Decimal("0.1000000000000000000001")]]
    common.print_json({"bids": rows, "label": "1"})
    line = capsys.readouterr().out
    assert line == '{"bids":[[59998.5,0.123],[60000,0.1000000000000000000001]],"label":"1"}\n'
