"""Attacks on an export and on the registry's file, and what finds each: the table in the office's document.

Each export is forged as well as its attacker can. With `hash anew` the counts, the end and the chain are computed
again, so that the file is whole in itself; nothing but the journal or a sealed day can find that.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host
from engine.codes import Mode
from gateway import cli
from gateway.audit_trail.export import read, write
from gateway.audit_trail.hash_chain import chained
from gateway.audit_trail.records import scope_of
from gateway.audit_trail.whole_trail import closed
from tests import build
from tests.gateway.audit_trail.journals import Live
from tests.gateway.audit_trail.test_seals import FIRST, Sealed, sealed_days
from tests.gateway.audit_trail.test_verify_registry import Governed
from tests.pair import CAPACITIES
from tests.test_arrows import ROOT

Rows = list[dict[str, Any]]
ACCOUNT = 0
FOUND, WHOLE, EARLIER = 1, 0, 3
"""Exit codes of `lionrock audit verify`: not what was written; nothing is wrong; the journal holds more of it."""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return sealed_days(tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def genuine(sealed: Sealed) -> Rows:
    return list(read(sealed.export(ACCOUNT)))


def place_of(rows: Rows) -> int:
    """Where the second record of the account's first day stands."""
    own = [place for place, row in enumerate(rows) if row.get("account_slot") == ACCOUNT]
    return [place for place in own if rows[place]["record"] == "order"][1]


def edited(rows: Rows) -> Rows:
    at = place_of(rows)
    return [*rows[:at], rows[at] | {"price_ticks": 1}, *rows[at + 1 :]]


def dropped(rows: Rows) -> Rows:
    at = place_of(rows)
    return rows[:at] + rows[at + 1 :]


def swapped(rows: Rows) -> Rows:
    at = place_of(rows)
    return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]


def added(rows: Rows) -> Rows:
    at = place_of(rows)
    return [*rows[:at], rows[at], *rows[at:]]


def cut(rows: Rows) -> Rows:
    return rows[: place_of(rows)]


def unclosed(rows: Rows) -> Rows:
    return rows[:-1]


def continued(rows: Rows) -> Rows:
    """Behind the end comes a record of an order, which no count covers."""
    return [*rows, rows[place_of(rows)]]


def ended_anew(rows: Rows) -> Rows:
    """Cut, with the genuine end behind the cut."""
    return [*rows[: place_of(rows)], rows[-1]]


def hashed_anew(rows: Rows, last_seq: int = -1, journal: str = "") -> Rows:
    """With a chain, counts and an end of its own; by default the end names the journal as the genuine one does."""
    note, end = rows[0]["note"], json.loads(rows[-1]["note"])
    inner = [row for row in rows[1:] if row["record"] not in ("count", "end")]
    closing = {"last_seq": end["last_seq"], "journal": end["journal"], "filter": end["filter"]}
    if last_seq >= 0:
        closing |= {"last_seq": last_seq, "journal": journal}
    return list(chained(closed(bare(inner), scope_of(note), note, closing), note))


def with_counts_kept(rows: Rows) -> Rows:
    """A record dropped, the chain computed anew, the counts as they were."""
    note = rows[0]["note"]
    return list(chained(bare(dropped(rows)), note))


def continued_and_hashed(rows: Rows) -> Rows:
    """A whole export with more records behind its end, in one chain."""
    return list(chained(bare(continued(rows)), rows[0]["note"]))


def bare(rows: Rows) -> Rows:
    """Records without what an export gives them."""
    return [{name: value for name, value in row.items() if name not in ("number", "chain")} for row in rows]


def ended_early(rows: Rows, journal: Path) -> Rows:
    """Cut at an earlier record of the journal, with the journal's true hash there: as if it had been made then."""
    at = place_of(rows)
    reader = host.JournalReader(journal)
    for _ in reader.batches(rows[at]["seq"]):
        pass
    until = [row for row in rows[:-1] if row.get("seq", 0) <= reader.last_seq and row["record"] != "count"]
    return hashed_anew([*until, rows[-1]], reader.last_seq, reader.position.chain.hex())


ATTACKS: dict[str, Callable[[Rows, Path], Rows]] = {
    "edit": lambda rows, journal: edited(rows),
    "drop": lambda rows, journal: dropped(rows),
    "swap": lambda rows, journal: swapped(rows),
    "add": lambda rows, journal: added(rows),
    "cut": lambda rows, journal: cut(rows),
    "cut the end alone": lambda rows, journal: unclosed(rows),
    "go on behind the end": lambda rows, journal: continued(rows),
    "cut and put the end behind": lambda rows, journal: ended_anew(rows),
    "drop, hash anew, leave the counts": lambda rows, journal: with_counts_kept(rows),
    "go on behind the end, hash anew": lambda rows, journal: continued_and_hashed(rows),
    "edit, hash anew": lambda rows, journal: hashed_anew(edited(rows)),
    "drop, hash anew": lambda rows, journal: hashed_anew(dropped(rows)),
    "swap, hash anew": lambda rows, journal: hashed_anew(swapped(rows)),
    "add, hash anew": lambda rows, journal: hashed_anew(added(rows)),
    "cut, end anew, hash anew": lambda rows, journal: hashed_anew([*cut(rows), rows[-1]]),
    "cut, end where the journal once was": ended_early,
}
TABLE = {
    **dict.fromkeys(list(ATTACKS)[:10], ("found", "found", "found")),
    **dict.fromkeys(list(ATTACKS)[10:], ("not found, and told so", "found", "found")),
}
"""By attack: what finds it alone, with the journal, with the sealed day and no journal."""


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_where_the_table_says(
    name: str, kind: str, sealed: Sealed, genuine: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"forged.{kind}"
    write(ATTACKS[name](genuine, sealed.journal), path, kind)
    alone, with_journal, with_seal = TABLE[name]
    capsys.readouterr()
    assert cli.main(["audit", "verify", str(path)]) == (FOUND if alone == "found" else WHOLE)
    out = capsys.readouterr().out
    assert (f"{path}: " in out) and ("--journal compares it with the log" in out) == (alone != "found")
    assert with_journal == with_seal == "found"
    code = cli.main(["audit", "verify", str(path), "--journal", str(sealed.data)])
    assert code == (EARLIER if name == "cut, end where the journal once was" else FOUND)
    assert sealed.verify(path, sealed.prove(ACCOUNT, FIRST)) == FOUND


def test_an_unforged_export_passes_all_of_it(sealed: Sealed, genuine: Rows, tmp_path: Path) -> None:
    """So that what is found is the attack: also hashing anew what was not changed gives the same file."""
    assert hashed_anew(genuine) == genuine
    path = tmp_path / "same.jsonl"
    write(hashed_anew(genuine), path, "jsonl")
    assert path.read_bytes() == sealed.export(ACCOUNT).read_bytes()
    for words in ([], ["--journal", str(sealed.data)]):
        assert cli.main(["audit", "verify", str(path), *words]) == WHOLE
    assert sealed.verify(path, sealed.prove(ACCOUNT, FIRST)) == WHOLE


def test_every_cut_is_found_alone(sealed: Sealed, tmp_path: Path) -> None:
    """After whichever line, and within it."""
    data = sealed.export(ACCOUNT).read_bytes()
    path = tmp_path / "cut.jsonl"
    ends = [place.end() for place in re.finditer(b"\n", data)]
    for size in [0, *ends[:-1], *[end - 7 for end in ends], len(data) - 1]:
        path.write_bytes(data[:size])
        assert cli.main(["audit", "verify", str(path)]) == FOUND, size


def test_counts_say_where_something_is_missing(sealed: Sealed, genuine: Rows, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "forged.jsonl"
    write(with_counts_kept(genuine), path, "jsonl")
    assert cli.main(["audit", "verify", str(path)]) == FOUND
    out = capsys.readouterr().out
    assert "does not count the records of 2026-03-02 that are there: 5 of order NEW were counted, 4 are there" in out
    assert "22 of account 0 were counted, 21 are there" in out


def test_another_venues_journal_is_told_as_one(
    sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Live(tmp_path / "journal", CAPACITIES, Mode.RESEARCH)
    other.send(np.concatenate(build.venue(2)))
    assert cli.main(["audit", "verify", str(sealed.export(ACCOUNT)), "--journal", str(other.close())]) == FOUND
    assert "of a journal that is not this one" in capsys.readouterr().out


REGISTRY_ATTACKS = {
    "an altered amount, date, document's hash, reason or time": (
        "UPDATE records SET details = replace(details, '1030000', '9030000') WHERE number = 1"
    ),
    "a row deleted": "DELETE FROM records WHERE number = 1",
    "a row added": (
        "INSERT INTO records SELECT 9, topic, client_id, account_slot, person, details, document_hash, valid_through, "
        "change, recorded_ns FROM records WHERE number = 1"
    ),
    "a directive altered": "UPDATE intents SET value = 4 WHERE change = 2",
}


@pytest.mark.parametrize("name", REGISTRY_ATTACKS)
def test_an_attack_on_the_registry_is_found(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Governed(tmp_path).config
    assert cli.main(["audit", "verify", "--journal", config.data]) == WHOLE
    db = sqlite3.connect(config.registry)
    assert db.execute(REGISTRY_ATTACKS[name]).rowcount == 1
    db.commit()
    db.close()
    assert cli.main(["audit", "verify", "--journal", config.data]) == FOUND
    assert "registry.db: " in capsys.readouterr().out


def test_the_documents_table_is_this_one() -> None:
    text = (ROOT / "gateway" / "office" / "README.md").read_text()
    for name, row in TABLE.items():
        assert f"| {name} | {' | '.join(row)} |" in text
    for name in REGISTRY_ATTACKS:
        assert f"| registry: {name} | | found | |" in text
