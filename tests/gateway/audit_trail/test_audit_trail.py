"""The audit trail: what it says is what was decided live, and a changed byte is found."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import disk
from engine.codes import AccountAttribute, CommandKind, ExecInst, Mode, Reason, Restriction
from engine.journal.lock import Lock
from gateway import cli
from gateway.audit_trail.admission_ladder import judge, verdict
from gateway.audit_trail.columns import COLUMNS
from gateway.audit_trail.export import read, write
from gateway.audit_trail.hash_chain import chained
from gateway.audit_trail.journal_follower import stops
from gateway.audit_trail.records import Scope
from gateway.audit_trail.whole_trail import trail
from gateway.venue import disk_space
from tests import build, flow, kinds, rights_flow, risk_flow
from tests.gateway.audit_trail.journals import Live, commands_of
from tests.gateway.audit_trail.plain_records import Follower
from tests.pair import CAPACITIES, capacities


@pytest.fixture(scope="module")
def risky(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Margin, liquidations, funding and deleveraging."""
    live = Live(tmp_path_factory.mktemp("risky") / "journal", risk_flow.CAPACITIES)
    live.send(np.concatenate(risk_flow.set_up()))
    live.send(risk_flow.flow(5, 3000))
    live.close()
    return live


@pytest.fixture(scope="module")
def told(risky: Live) -> list[dict[str, Any]]:
    """Its whole trail."""
    return list(trail(risky.folder, Scope()))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Every kind of command, bad input, amendments, mass cancels, states and restrictions."""
    live = Live(tmp_path_factory.mktemp("busy") / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(commands_of(flow.stage()))
    live.send(commands_of(flow.flow(3, 4000)))
    live.send(commands_of(list(kinds.every_kind().values())))
    live.close()
    return live


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Rights that end while many orders rest: some are cancelled on contact, some are amended too late."""
    live = Live(tmp_path_factory.mktemp("lost") / "journal", capacities(rights_flow.LIMITS), Mode.RESEARCH)
    live.send(commands_of(rights_flow.rights_stage()))
    live.send(commands_of(rights_flow.losses()))
    live.close()
    return live


@pytest.mark.parametrize("name", ["risky", "busy", "lost"])
def test_recomputed_decisions_are_the_live_ones(name: str, request: pytest.FixtureRequest) -> None:
    live: Live = request.getfixturevalue(name)
    found = {row["seq"]: row for row in trail(live.folder, Scope()) if row["record"] == "order"}
    judged = 0
    for seq, reason in live.reasons.items():
        record = found[seq]
        assert record.get("reason", "") == (Reason(reason).name if reason else ""), record
        if record["command"] in ("NEW", "AMEND") and record["outcome"] != "repeated":
            assert verdict(record) == record.get("reason", ""), (record, judge(record))
            judged += 1
    reasons = {"risky": 8, "busy": 30, "lost": 4}[name]
    assert judged > 1000 and len({row.get("reason") for row in found.values()}) > reasons
    assert (name == "lost") == any("a mass cancel in the queue takes it" in str(judge(row)) for row in found.values())


@pytest.mark.parametrize("name", ["risky", "busy"])
def test_stopping_at_each_command_changes_nothing(name: str, request: pytest.FixtureRequest) -> None:
    live: Live = request.getfixturevalue(name)
    follower = Follower(live.folder)
    everything = stops(live.folder, lambda commands, events: commands["seq"])
    met = [int(moment.command["seq"]) for moment in follower.moments(lambda root, command, due: None, everything)]
    assert len(met) > 0.9 * len(everything) and met == sorted(set(met))
    assert follower.engine.digest() == live.digest


def test_orders_that_margin_carries_only_as_closing_ones_are_told_so(told: list[dict[str, Any]]) -> None:
    """What became reduce-only is recomputed from need, equity, position and the other orders of its side."""
    found = [row for row in told if row.get("command") in ("NEW", "AMEND")]
    made = [row for row in found if row.get("order_made_reduce_only")]
    recomputed = [row for row in found if "so it is reduce-only" in str(judge(row))]
    assert len(made) >= 3
    assert [row["seq"] for row in made] == [row["seq"] for row in recomputed if row["outcome"] != "refused"]
    assert all(not row.get("order_flags", 0) & ExecInst.REDUCE_ONLY for row in made)
    assert all(row["have_micros"] < row["need_micros"] for row in made)
    larger = made[0] | {"order_lots": abs(made[0]["position_held_lots"]) + 1}
    assert verdict(larger) == "INSUFFICIENT_MARGIN"


@pytest.fixture(scope="module")
def lapsed(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Account 0 holds 10 lots and loses, one after the other, all that lets it open; after each it closes a lot."""
    live = Live(tmp_path_factory.mktemp("lapsed") / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(3)))
    live.send(build.new(1, build.SELL, 40, 100))
    live.send(build.new(0, build.BUY, 20, 100))
    live.send(build.new(2, build.BUY, 40, 99))
    for attribute in build.ELIGIBLE:
        live.send(build.account_set(0, attribute, 0))
        live.send(build.new(0, build.SELL, 1, 99))
        live.send(build.new(0, build.SELL, 21, 101))
        live.send(build.account_set(0, attribute, build.ELIGIBLE[attribute]))
    live.close()
    return live


@pytest.mark.parametrize(("name", "least"), [("busy", 1), ("lapsed", 8)])
def test_closing_orders_of_who_may_not_open_are_told_so(name: str, least: int, request: pytest.FixtureRequest) -> None:
    """Rows 6 to 15 are recomputed, and with them that the order only closes."""
    live: Live = request.getfixturevalue(name)
    found = [row for row in trail(live.folder, Scope()) if row.get("command") in ("NEW", "AMEND")]
    made = [row for row in found if row.get("order_made_reduce_only")]
    assert len(made) >= least
    for row in made:
        assert verdict(row) == ""
        (rung,) = [rung for rung in judge(row) if "so it is reduce-only" in rung.figures]
        assert 6 <= rung.row <= 15 and rung.outcome == "passed"
        larger = row | {"order_lots": abs(row["position_held_lots"]) + 1}
        assert verdict(larger) in rung.figures


def test_margin_refusals_say_need_and_have(told: list[dict[str, Any]]) -> None:
    records = [row for row in told if row.get("reason") == "INSUFFICIENT_MARGIN"]
    short = [row for row in records if row["record"] == "order" and "need_micros" in row]
    assert len(short) > 20
    assert all(row["have_micros"] < row["need_micros"] for row in short)
    assert all({"contract_mark_subticks", "account_equity_micros", "person"} <= row.keys() for row in short)


def test_forced_cancels_and_liquidations_are_there_with_figures(told: list[dict[str, Any]]) -> None:
    forced = [row for row in told if row.get("command") == "CANCELLED" and row["reason"] == "LIQUIDATION"]
    flagged = [row for row in told if row.get("command") == "LIQUIDATION_FLAGGED"]
    assert forced and flagged
    short = [row for row in flagged if row["account_equity_micros"] < row["account_maintenance_micros"]]
    assert len(short) > len(flagged) // 2, "the others are isolated positions"
    assert all("account_equity_micros" in row for row in forced)


def test_changes_name_old_new_actor_and_approver(tmp_path: Path) -> None:
    live = Live(tmp_path / "journal", CAPACITIES)
    who = {"actor": 7, "approver": 8, "reason": 12, "reference": 99}
    live.send(np.concatenate(build.opened(0) + build.listed(0, build.PLAIN_CONTRACT)))
    change = build.directive(CommandKind.CONTRACT_SET, code=3, value=5, time_ns=build.START_NS, **who)
    refused = build.directive(CommandKind.ACCOUNT_SET, account_slot=5, code=2, value=1, **who)
    live.send(np.concatenate([change, refused]))
    last = [row for row in trail(live.close(), Scope()) if row["record"] == "directive"][-2:]
    for row in last:
        assert (row["actor"], row["approver"], row["reason_number"], row["reference"]) == (7, 8, 12, 99)
    assert (last[0]["code"], last[0]["old_value"], last[0]["new_value"]) == ("MIN_ORDER_LOTS", 1, 5)
    assert (last[1]["outcome"], last[1]["reason"]) == ("refused", "UNKNOWN_ACCOUNT")


def test_scope_of_account_and_time(risky: Live, told: list[dict[str, Any]]) -> None:
    everything = [row for row in told if row["record"] != "count"]
    middle = everything[len(everything) // 2]["time_ns"]
    found = [row for row in trail(risky.folder, Scope(3, middle)) if row["record"] != "count"][1:-1]
    later = [row for row in everything[1:-1] if row["time_ns"] >= middle]
    wanted = [row for row in later if row.get("account_slot", -1) in (3, -1)]
    bare = [{name: row.get(name) for name in COLUMNS if name != "number"} for row in found]
    assert bare == [{name: row.get(name) for name in COLUMNS if name != "number"} for row in wanted]
    assert {row["account_slot"] for row in found if row["record"] == "order"} == {3}
    later = [row["time_ns"] for row in everything[1:-1] if row["time_ns"] > middle and row["record"] == "order"]
    begun = [row for row in trail(risky.folder, Scope(from_ns=later[0])) if row["record"] == "order"]
    assert "account_cash_micros" in begun[0], "the first decision of a period has its figures too"
    ended = list(trail(risky.folder, Scope(to_ns=middle)))
    assert max(row["time_ns"] for row in ended[1:-1]) < middle


def export(live: Live, path: Path, *words: str) -> Path:
    """Write an export with the command."""
    assert cli.main(["audit", "export", str(live.folder), "--output", str(path), *words]) == 0
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_exporting_twice_gives_the_same_bytes(
    kind: str, risky: Live, told: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Once by the command; once from a trail that was read before."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    first = export(risky, tmp_path / f"a.{kind}")
    assert cli.main(["audit", "verify", str(tmp_path), "--journal", str(risky.folder)]) == 0
    assert [*read(first)] == told
    write(iter(told), tmp_path / f"b.{kind}", kind)
    assert first.read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_export_beside_a_running_venue_is_written_a_piece_at_a_time(
    kind: str, risky: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    first, pauses = export(risky, tmp_path / f"a.{kind}"), list[int]()
    monkeypatch.setattr(disk, "PIECE_BYTES", 1 << 12)
    monkeypatch.setattr(disk_space, "pause", lambda: pauses.append(1))
    lock = Lock(risky.folder)  # as a venue has it
    try:
        again = export(risky, tmp_path / f"b.{kind}")
    finally:
        lock.release()
    assert again.read_bytes() == first.read_bytes() and len(pauses) == first.stat().st_size >> 12 > 2


def flipped(path: Path, rng: np.random.Generator) -> Iterator[Path]:
    """Copies of a file with one bit changed somewhere."""
    data = path.read_bytes()
    for place in rng.integers(0, len(data), 60).tolist():
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        yield path
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_flipped_bit_is_found(kind: str, risky: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = export(risky, tmp_path / f"a.{kind}", "--account", "3")
    for changed in flipped(path, np.random.default_rng(1)):
        assert cli.main(["audit", "verify", str(changed), "--json"]) == 1
    assert cli.main(["audit", "verify", str(path)]) == 0
    capsys.readouterr()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:40] + lines[41:]))
    assert cli.main(["audit", "verify", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)[0]
    assert found["first_bad"] == (41 if kind == "jsonl" else 40)
    path.write_bytes(b"".join(lines[:-1]))
    assert cli.main(["audit", "verify", str(path)]) == 1
    assert "before the record that closes an export" in capsys.readouterr().out


def test_a_forged_export_does_not_agree_with_the_journal(
    risky: Live, told: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever can recompute the chain still cannot change the journal."""
    given = [{name: row[name] for name in row if name != "chain"} for row in told]
    forged = next(place for place, row in enumerate(given) if row.get("reason") == "INSUFFICIENT_MARGIN")
    given[forged]["have_micros"] = given[forged].get("have_micros", 0) + 1
    path = tmp_path / "forged.jsonl"
    write(chained(given, given[0]["note"]), path, "jsonl")
    assert cli.main(["audit", "verify", str(path)]) == 0
    assert cli.main(["audit", "verify", str(path), "--journal", str(risky.folder)]) == 1
    assert f"record {forged + 1} is not what the journal gives: have_micros" in capsys.readouterr().out


@pytest.mark.parametrize("facts", [{"account_slot": "x"}, {"from_ns": None}, {"to_ns": 1.5}, {"with_index": 1}])
def test_an_export_of_a_made_up_scope_is_refused(
    facts: dict[str, Any], risky: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = json.dumps(json.loads(Scope().note("00")) | facts)
    path = tmp_path / "forged.jsonl"
    rows = [{"record": "begin", "note": note}, {"record": "end", "note": '{"records": 2}'}]
    write(chained(rows, note), path, "jsonl")
    assert cli.main(["audit", "verify", str(path), "--journal", str(risky.folder)]) == 1
    assert "does not say what the export covers" in capsys.readouterr().out


def test_explain_tells_an_orders_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = Live(tmp_path / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(2)))
    live.send(build.new(0, build.BUY, 10, 100, cl_ord_id=5, key=3))
    live.send(build.new(1, build.SELL, 4, 100))
    live.send(build.amend(0, cl_ord_id=5, qty_lots=8))
    live.send(build.account_set(0, AccountAttribute.RESTRICTION, Restriction.FROZEN))
    live.send(build.new(0, build.BUY, 10, 100, cl_ord_id=6))
    folder = live.close()
    words = ["--data", str(folder), "--json"]
    assert cli.main(["audit", "explain", "5", "--account", "0", *words]) == 0
    steps = json.loads(capsys.readouterr().out)
    life = [(step["record"]["command"], step["record"].get("reason", "")) for step in steps]
    assert life == [("NEW", ""), ("FILL", ""), ("AMEND", ""), ("ACCOUNT_SET", ""), ("CANCELLED", "SANCTIONS")]
    assert [rung["outcome"] for rung in steps[0]["ladder"]].count("failed") == 0
    order_id = steps[0]["record"]["order_id"]
    assert cli.main(["audit", "explain", str(order_id), *words]) == 0
    assert json.loads(capsys.readouterr().out) == steps
    assert cli.main(["audit", "explain", "6", "--account", "0", "--data", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "ACCOUNT_RESTRICTED" in shown and "not reached" in shown
    seq = steps[0]["record"]["seq"]
    assert cli.main(["audit", "explain", str(seq), "--sequence", *words]) == 0
    assert json.loads(capsys.readouterr().out) == steps[:1]


def test_a_lapse_is_told_with_what_it_cancelled_and_why(tmp_path: Path) -> None:
    live = Live(tmp_path / "journal", CAPACITIES, Mode.RESEARCH)
    live.send(np.concatenate(build.venue(2)))
    end = build.START_NS + 60 * build.SECOND
    live.send(build.account_set(0, AccountAttribute.EVIDENCE_UNTIL_NS, end))
    live.send(build.new(0, build.BUY, 10, 100, cl_ord_id=5))
    live.send(build.new(0, build.BUY, 10, 100, cl_ord_id=6, time_ns=end))
    found = [row for row in trail(live.close(), Scope(0)) if row.get("time_ns", 0) >= end][:-1]
    assert [(row["command"], row["outcome"], row["reason"]) for row in found] == [
        ("ELIGIBILITY_LAPSED", "happened", "PI_EVIDENCE_EXPIRED"),
        ("CANCELLED", "happened", "PI_EVIDENCE_EXPIRED"),
        ("NEW", "refused", "PI_EVIDENCE_EXPIRED"),
    ]
    assert all(row["account_evidence_until_ns"] == end for row in found)
    assert verdict(found[2]) == "PI_EVIDENCE_EXPIRED" and "evidence until 2026-03-02 09:01:00Z" in str(judge(found[2]))


def test_errors_are_one_line(tmp_path: Path, risky: Live, capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (["export", str(tmp_path)], "no journal there"),
        (["export", str(risky.folder), "--account", "alice"], "no registry"),
        (["export", str(risky.folder), "--format", "csv", "--output", str(tmp_path / "a.jsonl")], "ends in .csv"),
        (["verify", str(tmp_path)], "holds no .csv"),
        (["export", str(risky.folder), "--from", "2026-03-03", "--to", "2026-03-02"], "--to: it is not after --from"),
        (["explain", "12345", "--data", str(risky.folder)], "knows no order 12345"),
    ):
        assert cli.main(["audit", *words]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000 + "\n", "{}\n", '{"record":"begin","number":1}\n', '{"seq":' + "9" * 5000 + "}\n", "\xff\n"],
)
def test_what_is_no_export_is_said_in_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("jsonl", "csv"):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(text.encode("latin-1"))
        assert cli.main(["audit", "verify", str(path), "--json"]) == 1
        (found,) = json.loads(capsys.readouterr().out)
        assert found["first_bad"] == 1 and len(found["problem"].splitlines()) == 1
