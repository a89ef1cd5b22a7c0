"""Seals and proofs: with an export and a public key an outsider sees that a day of an account is whole."""

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from engine import host
from engine.codes import AccountAttribute, ClientAttribute, Mode
from gateway import cli
from gateway.audit_trail import proofs, seals
from gateway.audit_trail.day_tree import VENUE_WIDE, DayEnd, DayTree, days_of, owner_of, owner_of_client
from gateway.audit_trail.export import FileError, read, write
from gateway.audit_trail.hash_chain import chained
from gateway.audit_trail.records import Scope, scope_of
from gateway.audit_trail.seals import SealError, check_all, read_public_key, read_seal, seal_days
from gateway.audit_trail.whole_trail import closed
from gateway.wire.civil_dates import lapse_ns, start_ns
from tests import build
from tests.gateway.audit_trail.journals import DAY_NS, Live, three_days
from tests.pair import CAPACITIES

FIRST = date(2026, 3, 2)
DAYS = [FIRST + timedelta(days=place) for place in range(4)]
LATE_NS = lapse_ns(DAYS[3]) + 3600 * build.SECOND


def silent(done: int, total: int) -> None:
    return None


class Sealed:
    """A venue with its seals up to a day, the key beside it, and the export and proof of an account."""

    live: Live

    def __init__(self, folder: Path, until: date) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.journal = self.data / "journal"
        self.key, self.public = folder / "seal.key", folder / "seal.key.pub"
        assert cli.main(["audit", "seal", "--make-key", str(self.key)]) == 0
        self.seals = self.data / "seals"
        assert cli.main(["audit", "seal", str(self.data), "--key", str(self.key), "--day", str(until)]) == 0

    def export(self, account: int, *words: str) -> Path:
        """The account's export."""
        path = self.folder / f"{account}.jsonl"
        given = ["--account", str(account)] if account >= 0 else []
        assert cli.main(["audit", "export", str(self.data), "--output", str(path), *given, *words]) == 0
        return path

    def prove(self, account: int, day: date) -> Path:
        """The proof of an account's day."""
        path = self.folder / f"{account}-{day}.json"
        words = ["--account", str(account), "--day", str(day), "--output", str(path)]
        assert cli.main(["audit", "prove", str(self.data), *words]) == 0
        return path

    def verify(self, path: Path, *proofs: Path) -> int:
        """What the command says of a file with proofs."""
        words = [word for proof in proofs for word in ("--proof", str(proof))]
        return cli.main(["audit", "verify", str(path), *words, "--public-key", str(self.public)])


def sealed_days(folder: Path) -> Sealed:
    """The venue of three days."""
    live = three_days(folder / "data" / "journal")
    live.close()
    venue = Sealed(folder, DAYS[3])
    venue.live = live
    return venue


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return sealed_days(tmp_path_factory.mktemp("sealed"))


def test_every_day_that_is_over_has_a_seal_that_follows_the_one_before(sealed: Sealed) -> None:
    found = seals.seals_in(sealed.seals)
    facts = [found[day].facts for day in DAYS]
    assert [item.previous for item in facts] == ["", *[found[day].hash for day in DAYS[:3]]]
    assert [item.first_seq for item in facts] == [1, *[item.last_seq + 1 for item in facts[:-1]]]
    assert [item.accounts for item in facts] == [3, 1, 0, 1]
    assert facts[2].records == 0 and facts[2].last_seq == facts[1].last_seq
    assert facts[3].last_seq == sealed.live.engine.last_seq


def test_the_right_key_is_private_and_openssl_checks_a_seal(sealed: Sealed, tmp_path: Path) -> None:
    assert sealed.key.stat().st_mode & 0o77 == 0
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    seal = read_seal(seals.seal_path(sealed.seals, FIRST))
    given = json.loads(seals.seal_path(sealed.seals, FIRST).read_text())
    (tmp_path / "signature").write_bytes(base64.b64decode(given["signature"]))
    text = b"lionrock seal 1\n" + json.dumps(given["facts"], sort_keys=True, separators=(",", ":")).encode()
    assert text == seal.facts.signed_bytes()
    (tmp_path / "text").write_bytes(text)
    words = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(sealed.public)]
    words += ["-in", str(tmp_path / "text"), "-sigfile", str(tmp_path / "signature")]
    assert subprocess.run(words, capture_output=True).returncode == 0
    (tmp_path / "text").write_bytes(text.replace(b"2026-03-02", b"2026-03-03"))
    assert subprocess.run(words, capture_output=True).returncode != 0


@pytest.mark.parametrize("account", [0, 1])
def test_an_export_with_proofs_is_proved_day_by_day(
    account: int, sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sealed.export(account)
    assert sealed.verify(path, *[sealed.prove(account, day) for day in DAYS]) == 0
    out = capsys.readouterr().out
    assert out.count(f"of account {account}, nothing left out") == 4
    assert f"{DAYS[2]}: no record at all of account {account}" in out


def test_a_whole_export_is_proved_too_and_an_account_that_never_was(sealed: Sealed) -> None:
    whole = sealed.export(-1)
    assert sealed.verify(whole, *[sealed.prove(account, day) for account in (0, 1, 2, 77) for day in DAYS]) == 0


def forged(records: list[dict[str, Any]], path: Path) -> Path:
    """An export of these records with a chain, counts and an end of its own: nothing in it shows that it is not one."""
    note = records[0]["note"]
    closing = json.loads(records[-1]["note"])
    rows = [
        {name: value for name, value in row.items() if name not in ("number", "chain")}
        for row in records[1:-1]
        if row["record"] != "count"
    ]
    kept = {name: closing[name] for name in ("last_seq", "journal", "filter")}
    write(chained(closed(rows, scope_of(note), note, kept), note), path, "jsonl")
    return path


def is_of(account: int) -> Callable[[dict[str, Any]], bool]:
    """Whether a record is one of an account."""
    return lambda row: row.get("account_slot") == account and row["record"] in ("order", "event")


FORGERIES: dict[str, Callable[[list[dict[str, Any]], int], object]] = {
    "edit": lambda rows, at: rows[at].update(flags=7),
    "drop": lambda rows, at: rows.pop(at),
    "add": lambda rows, at: rows.insert(at, dict(rows[at])),
    "swap": lambda rows, at: rows.insert(at + 1, rows.pop(at)),
    "another day": lambda rows, at: rows[at].update(time_ns=rows[at]["time_ns"] - DAY_NS),
    "another account": lambda rows, at: rows[at].update(account_slot=5),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_that_is_whole_in_itself_is_not_proved(
    name: str, sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(read(sealed.export(0)))
    at = [place for place, row in enumerate(rows) if is_of(0)(row)][1]
    FORGERIES[name](rows, at)
    path = forged(rows, tmp_path / "forged.jsonl")
    assert cli.main(["audit", "verify", str(path)]) == 0
    capsys.readouterr()
    assert sealed.verify(path, sealed.prove(0, FIRST)) == 1
    assert f"{FIRST} of account 0: " in capsys.readouterr().out


def test_a_number_of_thousands_of_digits_is_refused_in_one_line(sealed: Sealed, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(read(sealed.export(0)), path, "csv")
    first, second, *_ = path.read_bytes().splitlines(keepends=True)
    assert second[0:1].isdigit()
    path.write_bytes(first + b"9" * 5000 + second)
    with pytest.raises(FileError, match=r"a.csv: record 1 is not as an export writes it$"):
        list(read(path))


def test_what_is_venue_wide_is_proved_as_well(sealed: Sealed, tmp_path: Path) -> None:
    rows = list(read(sealed.export(1)))
    wide = [place for place, row in enumerate(rows) if row.get("account_slot", -1) < 0 and row["record"] == "directive"]
    rows[wide[0]]["new_value"] = 12345
    assert sealed.verify(forged(rows, tmp_path / "a.jsonl"), sealed.prove(1, FIRST)) == 1


def test_an_export_that_does_not_cover_the_day_proves_nothing(
    sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = sealed.prove(0, FIRST)
    assert sealed.verify(sealed.export(1), proof) == 1
    assert "the export is of account 1" in capsys.readouterr().out
    assert sealed.verify(sealed.export(0, "--from", str(DAYS[1])), proof) == 1
    assert "does not cover the whole of 2026-03-02" in capsys.readouterr().out


def changed(proof: Path, place: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A proof with a change."""
    facts = json.loads(proof.read_text())
    change(facts)
    place.write_text(json.dumps(facts))
    return place


@pytest.mark.parametrize(
    ("account", "change", "text"),
    [
        (0, lambda facts: facts["leaves"][-1].update(count=1), "does not lead to the root"),
        (0, lambda facts: facts["leaves"].pop(), "neither the leaf of account 0"),
        (0, lambda facts: facts["leaves"].pop(0), "lacks the leaf"),
        (0, lambda facts: facts.update(account=1), "neither the leaf of account 1"),
        (0, lambda facts: facts["seal"]["facts"].update(root="00" * 32), "not signed with this key"),
        (0, lambda facts: facts["seal"]["facts"].update(day="2026-03-03"), "not signed with this key"),
        (0, lambda facts: facts["leaves"][0].update(root="zz"), "is no hash"),
        (0, lambda facts: facts.update(format="1"), "is of the format"),
    ],
)
def test_a_proof_that_was_changed_proves_nothing(
    account: int, change: Any, text: str, sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = changed(sealed.prove(account, FIRST), tmp_path / "p.json", change)
    assert sealed.verify(sealed.export(account), proof) == 1
    assert text in capsys.readouterr().out


def test_an_absent_account_needs_neighbours_that_touch(
    sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Account 0 has no record on the fourth day, account 1 has; a proof from elsewhere in the tree shows nothing."""
    export, proof = sealed.export(0), sealed.prove(0, DAYS[3])
    assert sealed.verify(export, proof) == 0
    assert "no record at all" in capsys.readouterr().out
    without = changed(proof, tmp_path / "p.json", lambda facts: facts["leaves"].pop())
    assert sealed.verify(export, without) == 1


def test_what_is_set_on_a_client_is_in_its_own_accounts_exports_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A freeze of another client is nobody's business; that of the own one cannot be left out."""
    live = Live(tmp_path / "data" / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(2)))
    live.send(build.client_set(1, ClientAttribute.FROZEN, 1))
    live.send(np.concatenate([build.account_set(slot, AccountAttribute.CLIENT, 1 + slot) for slot in range(2)]))
    live.send(np.concatenate([build.client_set(2, ClientAttribute.KILL_SWITCH, value) for value in (1, 0)]))
    live.send(build.new(1, build.SELL, 3, 190, time_ns=build.START_NS + DAY_NS))
    live.close()
    venue = Sealed(tmp_path, FIRST)
    for account, told in ((0, ["FROZEN"]), (1, ["KILL_SWITCH", "KILL_SWITCH"]), (-1, ["FROZEN", *["KILL_SWITCH"] * 2])):
        path = venue.export(account)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["code"] for row in rows if row.get("command") == "CLIENT_SET"] == told
        assert venue.verify(path, venue.prove(max(account, 0), FIRST)) == 0
        assert cli.main(["audit", "verify", str(path), "--journal", str(venue.data)]) == 0
    proof = venue.prove(0, FIRST)
    for client, text in ((0, "is of client 1, the proof of client 0"), (2, "is of client 1, the proof of client 2")):
        lied = changed(proof, tmp_path / "lied.json", lambda facts, client=client: facts.update(client=client))
        capsys.readouterr()
        assert venue.verify(venue.export(0), lied) == 1
        found = capsys.readouterr().out
        assert text in found or "neither the leaf of client" in found
    unbound = msgspec.structs.replace(proofs.read_proof(proof), client=0)
    check = proofs.ProofCheck(unbound, read_public_key(venue.public))
    with pytest.raises(SealError, match="another client's than the proof says"):
        for line in venue.export(0).read_text().splitlines():
            check.add(json.loads(line))


def test_another_key_proves_nothing(sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public = seals.make_key(tmp_path / "other.key")
    words = ["--proof", str(sealed.prove(0, FIRST)), "--public-key", str(public)]
    assert cli.main(["audit", "verify", str(sealed.export(0)), *words]) == 1
    assert "not signed with this key" in capsys.readouterr().out


# --- sealing ------------------------------------------------------------------------------------------------------


def seal(live: Path, folder: Path, key: Path, now_ns: int, day: date | None = None) -> list[seals.Sealed]:
    return seal_days(live, folder, seals.read_key(key), now_ns, day, silent)


def test_a_day_that_is_not_over_is_refused(sealed: Sealed, tmp_path: Path) -> None:
    noon_ns = start_ns(DAYS[1]) + 12 * 3600 * build.SECOND
    first_day = three_days(tmp_path / "journal").close()
    with pytest.raises(SealError, match="no day of this journal is over yet"):
        seal_days_of_one_day(tmp_path / "one", sealed.key)
    with pytest.raises(SealError, match=r"2026-03-06: it is not over; the last day .* is 2026-03-05"):
        seal(first_day, tmp_path / "seals", sealed.key, LATE_NS, DAYS[3] + timedelta(days=1))
    with pytest.raises(SealError, match="2026-03-01: it is before this journal"):
        seal(first_day, tmp_path / "seals", sealed.key, LATE_NS, FIRST - timedelta(days=1))
    assert [item.seal.facts.day for item in seal(first_day, tmp_path / "seals", sealed.key, noon_ns, FIRST)] == [
        str(FIRST)
    ]


def seal_days_of_one_day(folder: Path, key: Path) -> None:
    live = Live(folder / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(1)))
    seal(live.close(), folder / "seals", key, build.START_NS + 3600 * build.SECOND)


def test_sealing_again_gives_the_same_after_restarts_and_when_the_journal_has_grown(
    sealed: Sealed, tmp_path: Path
) -> None:
    live = three_days(tmp_path / "journal")
    once = seal(live.close(), tmp_path / "once", sealed.key, LATE_NS)
    engine = host.Engine.open(tmp_path / "journal", Mode.RESEARCH)
    rows = build.new(2, build.BUY, 3, 90, time_ns=LATE_NS)
    rows["seq"] = engine.last_seq + 1
    engine.feed(rows, lambda commands, events: None)
    engine.commit()
    engine.close()
    later = LATE_NS + DAY_NS
    twice = seal(tmp_path / "journal", tmp_path / "twice", sealed.key, later)
    assert [item.seal for item in twice[:4]] == [item.seal for item in once]
    again = seal(tmp_path / "journal", tmp_path / "once", sealed.key, later, FIRST)
    assert [(item.is_new, item.seal) for item in again] == [(False, once[0].seal)]
    assert len(check_all(tmp_path / "journal", tmp_path / "once", read_public(sealed), later, silent)) == 4


def read_public(sealed: Sealed) -> Any:
    return seals.read_public_key(sealed.public)


def test_a_seal_finds_a_journal_that_was_cut(sealed: Sealed, tmp_path: Path) -> None:
    """The log ends earlier than the seal says, though what is left of it is whole."""
    other = Live(tmp_path / "journal", CAPACITIES, Mode.RESEARCH)
    other.send(np.concatenate(build.venue(4)[::-1]))
    other.close()
    shutil.copytree(sealed.seals, tmp_path / "seals")
    with pytest.raises(SealError, match="of another venue's journal"):
        seal(tmp_path / "journal", tmp_path / "seals", sealed.key, LATE_NS)
    cut = tmp_path / "cut"
    shutil.copytree(sealed.journal, cut)
    [segment] = cut.glob("journal-*.log")
    records = host.JournalReader(cut)
    for _ in records.batches(sealed.live.engine.last_seq - 2):
        pass
    segment.write_bytes(segment.read_bytes()[: records.position.offset])
    for snapshot in cut.glob("snapshot*"):
        snapshot.unlink()
    with pytest.raises(SealError, match="the journal was cut or changed since"):
        seal(cut, tmp_path / "seals", sealed.key, LATE_NS)


@pytest.mark.parametrize("day", DAYS)
def test_a_day_cannot_drop_out(day: date, sealed: Sealed, tmp_path: Path) -> None:
    shutil.copytree(sealed.seals, tmp_path / "seals")
    seals.seal_path(tmp_path / "seals", day).unlink()
    if day == DAYS[3]:
        made = seal(sealed.journal, tmp_path / "seals", sealed.key, LATE_NS)
        assert [item.seal for item in made] == [read_seal(seals.seal_path(sealed.seals, day))]
        return
    with pytest.raises(SealError, match=f"the seal of {day} is missing"):
        seal(sealed.journal, tmp_path / "seals", sealed.key, LATE_NS)


def test_a_day_that_was_sealed_otherwise_is_found(sealed: Sealed, tmp_path: Path) -> None:
    """A seal with the right signature of a root that the journal does not give."""
    shutil.copytree(sealed.seals, tmp_path / "seals")
    path = seals.seal_path(tmp_path / "seals", DAYS[3])
    facts = msgspec.structs.replace(read_seal(path).facts, root="ab" * 32)
    signature = seals.read_key(sealed.key).sign(facts.signed_bytes())
    path.write_bytes(seals.Seal(facts, base64.b64encode(signature).decode()).encode())
    with pytest.raises(SealError, match="the day 2026-03-05 is not what was sealed: root is"):
        check_all(sealed.journal, tmp_path / "seals", read_public(sealed), LATE_NS, silent)
    with pytest.raises(SealError, match="root is"):
        seal(sealed.journal, tmp_path / "seals", sealed.key, LATE_NS, DAYS[3])


def test_errors_are_one_line(sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = sealed.data / "seal.key"
    shutil.copy(sealed.key, inside)
    for words, text in (
        (["seal", str(sealed.data)], "--key: name the private key"),
        (["seal", "--make-key", str(sealed.key)], "exists; name a new file"),
        (["seal", str(sealed.data), "--key", str(inside)], "lies in the venue's data folder"),
        (["seal", str(sealed.data), "--key", str(sealed.public)], "no Ed25519 key"),
        (["seal", str(sealed.data), "--key", str(sealed.key), "--day", "2026-03-01"], "before this journal"),
        (["prove", str(sealed.data), "--account", "0", "--day", "2026-02-01", "--output", "p"], "has no seal"),
        (["verify", str(sealed.export(0)), "--proof", str(sealed.prove(0, FIRST))], "give both or neither"),
        (["verify", str(sealed.export(0)), "--proof", str(sealed.key), "--public-key", str(sealed.public)], "no proof"),
        (
            ["verify", str(sealed.export(0)), "--proof", str(sealed.prove(0, FIRST)), "--public-key", str(sealed.key)],
            "no Ed25519 public key",
        ),
    ):
        capsys.readouterr()
        assert cli.main(["audit", *words]) == 2
        err = capsys.readouterr().err
        assert text in err and len(err.splitlines()) == 1
    inside.unlink()


def test_days_partition_the_journal(sealed: Sealed) -> None:
    days = days_of(sealed.journal, LATE_NS)
    assert [item.day for item in days.ended] == DAYS
    reader = host.JournalReader(sealed.journal)
    for item in days.ended:
        assert host.JournalReader(sealed.journal).seek(item.log_seq, item.chain)
    for _ in reader.batches():
        pass
    assert days.ended[-1].chain == reader.position.chain


# --- trees of any shape -------------------------------------------------------------------------------------------

RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "time_ns": st.integers(start_ns(FIRST), lapse_ns(FIRST) - 1),
            "record": st.sampled_from(["order", "event", "directive"]),
            "command": st.sampled_from(["NEW", "FILL", "DEPOSIT", "ATTEST", "CLIENT_SET"]),
            "index": st.integers(0, 4),
            "outcome": st.just("changed"),
            "account_slot": st.sampled_from([-1, 0, 1, 2, 5, 8, 13]),
            "note": st.text(max_size=4),
        }
    ),
    max_size=30,
)
KEY = Ed25519PrivateKey.generate()


def seal_of(tree: DayTree) -> seals.Seal:
    end = DayEnd(FIRST, 1, 9, 9, b"j" * 32, (0, ""))
    facts = seals.facts_of("v", end, tree, {})
    return seals.Seal(facts, base64.b64encode(KEY.sign(facts.signed_bytes())).decode())


def shown(records: list[dict[str, Any]], proof: proofs.Proof, account: int) -> str:
    """What the proof shows of an export of these records."""
    check = proofs.ProofCheck(proof, KEY.public_key())
    check.check_scope(Scope(account, client=proof.client), 9)
    return proofs.check_proofs(records, [check])[0]


@given(RECORDS, st.integers(0, 14), st.integers(0, 5), st.data())
def test_any_day_of_any_account_is_proved_and_nothing_else_is(
    records: list[dict[str, Any]], account: int, client: int, data: st.DataObject
) -> None:
    tree = DayTree()
    for record in records:
        tree.add(record)
    proof = proofs.proof_of(tree.leaves(), account, client, seal_of(tree))
    owners = (VENUE_WIDE, account, owner_of_client(client) if client else account)
    exported = [row for row in records if owner_of(row) in owners]
    own = [row for row in exported if owner_of(row) == account]
    assert f"all {len(own)} records" in shown(exported, proof, account) or not own
    if exported:
        at = data.draw(st.integers(0, len(exported) - 1))
        changed = exported[at] | {"note": exported[at]["note"] + "x"}
        before, after = exported[:at], exported[at + 1 :]
        for forgery in (before + after, [*before, exported[at], exported[at], *after], [*before, changed, *after]):
            with pytest.raises(SealError):
                shown(forgery, proof, account)
    with pytest.raises(SealError):
        shown([*exported, {"time_ns": start_ns(FIRST), "record": "order", "account_slot": account}], proof, account)
    for dropped in range(len(proof.leaves)):
        kept = [place for index, place in enumerate(proof.leaves) if index != dropped]
        with pytest.raises(SealError):
            proofs.ProofCheck(msgspec.structs.replace(proof, leaves=kept), KEY.public_key())


# --- an outsider's own program, from the words of the document ------------------------------------------------------


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def compact(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tree_root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return sha(b"\x00" + leaves[0]) if leaves else sha(b"")
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return sha(b"\x01" + tree_root(leaves[:half]) + tree_root(leaves[half:]))


def climbed(leaf: bytes, index: int, size: int, path: list[str]) -> bytes:
    """The root that a path leads to, from the leaf up, as RFC 9162 says it."""
    node, last = sha(b"\x00" + leaf), size - 1
    for beside in map(bytes.fromhex, path):
        if index % 2 or index == last:
            node = sha(b"\x01" + beside + node)
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            node = sha(b"\x01" + node + beside)
        index, last = index // 2, last // 2
    return node


@pytest.mark.parametrize("account", [0, 1, 2])
def test_an_outsiders_own_program_agrees(account: int, sealed: Sealed) -> None:
    """Nothing of the venue's code: JSON, SHA-256 and Ed25519 alone."""
    rows = [json.loads(line) for line in sealed.export(account).read_text().splitlines()]
    proof = json.loads(sealed.prove(account, FIRST).read_text())
    facts = proof["seal"]["facts"]
    public = load_pem_public_key(sealed.public.read_bytes())
    public.verify(base64.b64decode(proof["seal"]["signature"]), b"lionrock seal 1\n" + compact(facts))  # type: ignore[union-attr,call-arg]
    begun = datetime.fromisoformat(f"{facts['day']}T00:00+08:00").timestamp() * 1e9
    found: dict[int, list[bytes]] = {}
    for row in rows:
        if row["record"] in ("order", "event", "directive") and begun <= row["time_ns"] < begun + DAY_NS:
            bare = {name: value for name, value in row.items() if name not in ("number", "chain")}
            found.setdefault(row.get("account_slot", -1), []).append(compact(bare))
    leaves = {place["account"]: place for place in proof["leaves"]}
    for place in leaves.values():
        leaf = place["account"].to_bytes(8, "big", signed=True) + place["count"].to_bytes(8, "big")
        leaf += bytes.fromhex(place["root"])
        size = facts["accounts"] + facts["clients"] + 2
        assert climbed(leaf, place["index"], size, place["path"]).hex() == facts["root"]
    for owner in (account, -1):
        own = found.get(owner, [])
        assert (len(own), tree_root(own).hex()) == (leaves[owner]["count"], leaves[owner]["root"])
