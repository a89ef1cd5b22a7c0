"""`lionrock verify` as a person runs it: whole, damaged, torn, missing."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import CommandKind, Mode
from engine.host import Engine
from engine.schema import COMMAND, SMALL
from gateway.commands import verify


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
