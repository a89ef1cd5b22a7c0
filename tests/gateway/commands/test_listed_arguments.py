"""Lists of items as a person types them, and as a CSV file: what is read, and how a mistake is told."""

import csv
import hashlib

import pytest

from gateway import clock
from gateway.wire.civil_dates import civil_date
from tests.gateway.commands.test_admin import lionrock, officers

__all__ = ["lionrock", "officers"]
WORDS = ["admin", "record-evidence", "--client", "alice", "--investor", "individual"]
HASH = "ab" * 32


@pytest.fixture
def ask(lionrock, officers):
    """Record evidence of alice as Ann; answers the proposal, or the one line of a refusal."""
    ann, _ = officers
    lionrock("account", "create", "alice", *ann)
    today = lionrock("admin", "client", "alice", *ann)["today"]

    def ask(*items, refused=False, **files):
        words = [*WORDS, *ann, *[f"--{name.replace('_', '-')}={path}" for name, path in files.items()]]
        for item in items:
            words += ["--item", *[word.replace("TODAY", today) for word in item]]
        return lionrock.refused(*words) if refused else lionrock(*words)[0]

    return ask


ITEM = ("document=custodian_statement", "date=TODAY", "date_means=issued", f"hash={HASH}", "asset=mixed")


def test_several_items_of_several_keys(ask, lionrock, officers, tmp_path):
    statement = tmp_path / "joint statement.pdf"
    statement.write_bytes(b"joint")
    joint = ("holding=joint_with_others", "holders=2", f"hash={statement}")
    made = ask((*ITEM, "amount=5000000"), (*[word for word in ITEM if "hash" not in word], "amount=6000000.02", *joint))
    assert made["remarks"][0].startswith("it proves individual with HK$8000000.01 through ")
    given = lionrock("admin", "show", str(made["number"]), *officers[1])["params"]["items"]
    assert [item["amount"] for item in given] == ["5000000", "6000000.02"]
    assert (given[1]["holders"], given[1]["hash"]) == (2, hashlib.sha256(b"joint").hexdigest())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (["amount"], "item 2: 'amount' is not KEY=VALUE"),
        (["amount="], "item 2: 'amount=' is not KEY=VALUE"),
        (["amount=1", "amount=2"], "item 2, amount: it is there twice"),
        (["ammount=1"], "item 2, ammount: there is no such key; choose from document, date"),
        (["amount=1", "proof_hash=gone.pdf"], "item 2, proof_hash: 'gone.pdf' is no SHA-256 and no file"),
        (["amount=1", "holders=two"], "item 2, holders: 'two' is not a whole number"),
        (["amount=1", "holders=1"], "item 2, holders: Expected int >= 2"),
        (["amount=1", "currency=usd"], "item 2, currency: Expected str matching"),
        ([], "item 2, amount: it is missing"),
        (["amount=0"], "item 2, amount: '0' is not a positive number"),
        (["amount=1", "associate=spouse"], "item 2, associate: it is for joint_with_associate"),
    ],
)
def test_a_mistake_names_the_item_and_the_key(ask, change, word):
    assert word in ask((*ITEM, "amount=9000000"), (*ITEM, *change), refused=True)


def test_without_any_item_nothing_is_asked(ask):
    assert "items: it is missing" in ask(refused=True)


def test_a_csv_file_from_the_printed_template(ask, lionrock, tmp_path):
    head, says, *rest = lionrock.text_of_template("record-evidence").splitlines()
    assert rest == [] and head.startswith("document,date,date_means,hash,asset,amount,currency")
    names = head.split(",")
    assert len(next(csv.reader([says]))) == len(names)
    (tmp_path / "own.pdf").write_bytes(b"own")
    row = {
        "document": "auditor_certificate", "date": str(civil_date(clock.wall_ns())), "date_means": "issued",
        "hash": str(tmp_path / "own.pdf"), "asset": "securities", "amount": "8000000",
    }  # fmt: skip
    path = tmp_path / "items.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerow(row)
    assert ask(items_file=path)["remarks"][0].startswith("it proves individual with HK$8000000.00 through ")
    assert "not both" in ask((*ITEM, "amount=1"), items_file=path, refused=True)
    path.write_text(f"{head}\nshort,row\n")
    assert "line 2 has not as many values" in ask(items_file=path, refused=True)
    path.write_bytes(b"\xff\xfe")
    assert "give a CSV file in UTF-8" in ask(items_file=path, refused=True)
    assert "No such file" in ask(items_file=tmp_path / "none.csv", refused=True)
    for name in ("record-ownership", "record-institution"):
        assert lionrock.text_of_template(name)
