"""`lionrock verify` as a person runs it: whole, damaged, torn, missing."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host, invariants
from engine.codes import CommandKind, Mode
from engine.host import Engine
from engine.schema import COMMAND, SMALL
from gateway.commands import verify, verify_audit
from tests import build


def run(*arguments: str) -> int:
    """The command's exit code."""
    parser = argparse.ArgumentParser()
    verify.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["verify", *arguments])
    return int(args.run(args))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A data folder whose journal has ten batches and a snapshot after the fifth."""
    engine = Engine.create(tmp_path / "journal", Mode.RESEARCH, SMALL)
    rows = np.zeros(5, COMMAND)
    rows["kind"] = CommandKind.TIME
    for batch in range(10):
        rows["seq"] = np.arange(5 * batch + 1, 5 * batch + 6)
        engine.submit(rows)
        engine.commit()
        if batch == 4:
            engine.snapshot()
    engine.close()
    return tmp_path / "journal"


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and what --json prints."""
    code = run(*arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def damage(path: Path, offset: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x41
    path.write_bytes(data)


def test_a_whole_journal(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = result(capsys, str(journal.parent), "--replay")
    assert code == 0 and found["problem"] == ""
    assert (found["commands"], found["records"], found["snapshots"], found["mode"]) == (50, 11, [25], "research")
    assert len(found["digest"]) == len(found["chain"]) == 64
    assert run(str(journal)) == 0
    assert "everything is whole" in capsys.readouterr().out


def test_a_narrow_console_cuts_no_digest(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    _, found = result(capsys, str(journal), "--replay")
    assert run(str(journal), "--replay") == 0
    words = capsys.readouterr().out.split()
    assert found["chain"] in words and found["digest"] in words


def test_the_first_bad_byte_is_printed(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = journal / "journal-00000001.log"
    damage(path, 3000)
    damage(path, 4500)
    code, found = result(capsys, str(journal))
    assert code == verify.DAMAGED
    assert (found["first_bad_file"], found["first_bad_byte"]) == (str(path), 3000)
    assert run(str(journal)) == verify.DAMAGED
    assert f"{path}: corrupt at byte 3000: " in capsys.readouterr().out


def test_a_torn_tail_is_told(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = journal / "journal-00000001.log"
    path.write_bytes(path.read_bytes()[:-100])
    code, found = result(capsys, str(journal))
    assert code == verify.DAMAGED and found["torn"] and found["commands"] == 45
    assert "the next start cuts it" in found["problem"]


def test_a_damaged_snapshot_is_told(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(journal.glob("snapshot-*"))
    damage(path, 5000)
    code, found = result(capsys, str(journal))
    assert code == verify.DAMAGED and f"{path}: the body does not match its digest" in found["problem"]


def test_a_snapshot_that_the_log_does_not_lead_to(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(journal.glob("snapshot-*"))
    path.rename(path.with_name("kept"))
    engine = Engine.create(journal.parent / "other", Mode.RESEARCH, SMALL)
    rows = np.zeros(25, COMMAND)
    rows["kind"], rows["seq"], rows["time_ns"] = CommandKind.TIME, np.arange(1, 26), 5
    engine.submit(rows)
    other = engine.snapshot().path
    engine.close()
    path.write_bytes(other.read_bytes())
    code, found = result(capsys, str(journal))
    assert code == verify.DAMAGED and "does not lead to this snapshot" in found["problem"]


def test_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path)) == verify.UNREADABLE
    assert capsys.readouterr().err == f"lionrock verify: {tmp_path}: holds no journal; name the folder that has " + (
        "journal-00000001.log\n"
    )


# --- --audit ------------------------------------------------------------------------------------------------------


def test_an_audit_of_a_sound_journal(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = result(capsys, "--audit", str(journal), "--every", "7")
    assert code == 0 and found["digest"]
    wanted = {"every": 7, "checks": 8, "sequence": 0, "command": "", "invariant": "", "figures": "", "held_until": 50}
    assert found["audit"] == wanted
    assert run("--audit", str(journal.parent)) == 0
    out = capsys.readouterr().out
    assert "1 checks, one each 10,000 commands" in out and "everything is whole" in out
    _, found = result(capsys, str(journal), "--replay")
    assert found["audit"] is None


@pytest.mark.parametrize("broken", [1, 6, 7, 25, 26, 43, 50])
@pytest.mark.parametrize("every", [1, 2, 7, 49, 10_000])
def test_an_audit_names_the_first_command_after_which_an_invariant_fails(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: int, every: int
) -> None:
    """Here a check that fails from one command on; an engine that is wrong is in `venue/test_fail_stop.py`."""

    def check(root: Any) -> None:
        if int(root["last_seq"][0]) >= broken:
            raise invariants.AuditError("open_sums at slot 3")

    monkeypatch.setattr(invariants, "check", check)
    monkeypatch.setattr(verify_audit, "NARROWING", 3)
    code = run("--audit", str(journal), "--every", str(every), "--json")
    printed = capsys.readouterr()
    audit = json.loads(printed.out)["audit"]
    assert code == verify.BROKEN and audit["sequence"] == broken and audit["held_until"] == broken - 1
    assert (audit["invariant"], audit["figures"], audit["every"]) == ("open_sums", "at slot 3", every)
    assert printed.err == (
        f"lionrock verify: after command {broken} (TIME of account 0 at 1970-01-01 00:00:00 UTC): open_sums, at slot 3"
        f"; all invariants hold after {broken - 1}. Keep this folder: the same commands lead here with this release on "
        "every machine\n"
    )


def test_what_the_engine_itself_finds_is_named_without_audit_too(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state that begins without a fund, and with a debt of it."""

    def broken(*args: Any) -> Any:
        root = create(*args)
        root["fund_micros"] = -1
        return root

    create = host.create
    monkeypatch.setattr(host, "create", broken)
    for words in (["--replay"], ["--audit"], ["--audit", "--every", "3"]):
        assert run(str(journal), *words) == verify.BROKEN
        printed = capsys.readouterr()
        assert "after command 1 (TIME of account 0" in printed.err and "fund_negative" in printed.err
        assert "what the log leads to is not right" in printed.out


def test_what_is_found_once_and_not_again_is_no_fault_of_the_log(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = []

    def check(root: Any) -> None:
        checks.append(int(root["last_seq"][0]))
        if len(checks) == 3:
            raise invariants.AuditError("level_sum at slot 1")

    monkeypatch.setattr(invariants, "check", check)
    assert run("--audit", str(journal), "--every", "10") == verify.BROKEN
    assert "found once and not again by the same commands: have this machine's memory tested" in capsys.readouterr().err
    assert checks[:3] == [10, 20, 30]


def test_a_label_is_not_parted_from_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine.create(tmp_path / "journal", Mode.RESEARCH, SMALL)
    rows = np.concatenate([build.labelled(build.new(0, 1, 1, 5), "a") for _ in range(6)])
    rows["seq"] = np.arange(1, 13)
    engine.submit(rows)
    wanted = engine.digest()
    engine.close()
    code, found = result(capsys, "--audit", str(tmp_path), "--every", "3")
    assert code == 0 and found["digest"] == wanted and found["audit"]["checks"] == 4


@pytest.mark.parametrize("words", [["--every", "5"], ["--audit", "--every", "0"], ["--audit", "--every", "x"]])
def test_every_is_a_count_for_an_audit(journal: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    try:
        code = run(str(journal), *words)
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2 and "--every" in capsys.readouterr().err
