"""`lionrock replay` and `lionrock convert` as a person runs them."""

import argparse
import gzip
import io
import json
import lzma
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from engine.recordings.source import share_read, sources
from gateway.commands import convert, export, replay
from gateway.commands.common import progress_bar
from gateway.commands.pace import Pace
from gateway.commands.replay import Until
from tests.recordings.data import DATA, compiled, needs_data
from tests.recordings.test_readers import documented_example, lobster_files


def lionrock(*arguments: str | Path) -> int:
    """The exit code of a command line."""
    parser = argparse.ArgumentParser(prog="lionrock")
    subparsers = parser.add_subparsers(required=True)
    replay.add_parser(subparsers)
    convert.add_parser(subparsers)
    export.add_parser(subparsers)
    args = parser.parse_args([str(argument) for argument in arguments])
    return int(args.run(args))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The documented example of our own format."""
    (tmp_path / "example.csv").write_text(documented_example()[0])
    return tmp_path / "example.csv"


def last_object(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_json_is_one_object_with_what_scripts_need(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", example, "--json") == 0
    said = last_object(capsys)
    assert {"messages", "seconds", "engine_seconds", "trades", "rejects", "digest"} <= said.keys()
    assert (said["messages"], said["trades"], said["rejects"]) == (5, 1, {})
    assert said["seconds"] >= said["engine_seconds"] > 0
    assert len(said["digest"]) == 64
    assert "book_rows_checked" not in said


def test_json_of_a_recorded_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", lobster_files(tmp_path), "--json") == 0
    said = last_object(capsys)
    assert (said["book_rows_checked"], said["book_rows_equal"]) == (3, 3)
    assert (said["executions"], said["executions_as_recorded"]) == (1, 1)


def test_summary_names_everything(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example.write_text(example.read_text() + "6000,cancel,77,,,,,\n")
    assert lionrock("replay", example, "--contract", "BTC_USD,tick=0.5,lot=0.001", "--depth", "1") == 0
    said = capsys.readouterr().out
    for part in ("BTC_USD", "6 as 6 commands", "0.002", "UNKNOWN_ORDER", "49.5", "state digest"):
        assert part in said


def sells(tmp_path: Path, contract: str) -> tuple[str | Path, ...]:
    """Two hundred orders to sell one coin, a hundredth apart around 60,000."""
    lines = ["action,cl_ord_id,side,qty_lots,price_ticks"]
    lines += [f"new,{number},sell,100000000,{6_000_000 + number}" for number in range(1, 201)]
    (tmp_path / "sells.csv").write_text("\n".join(lines))
    return tmp_path / "sells.csv", "--contract", f"BTC_USD,tick=0.01,lot=0.00000001{contract}", "--json"


def test_no_order_of_realistic_precision_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", *sells(tmp_path, "")) == 0
    said = capsys.readouterr()
    assert said.err == "" and json.loads(said.out)["rejects"] == {}
    assert len(json.loads(said.out)["depth"][1]) == 10


@pytest.mark.parametrize("command", ["replay", "convert"])
def test_lost_orders_are_one_line_and_an_exit_code_of_their_own(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, *options = sells(tmp_path, ",max_price_ticks=6000002")
    journals = iter([tmp_path / "first", tmp_path / "second"])

    def ran(*more: str) -> int:
        return lionrock(command, path, *([next(journals)] if command == "convert" else []), *options, *more)

    assert ran() == 3
    said = capsys.readouterr()
    assert said.err == (
        f"lionrock {command}: 198 of 200 commands were refused for limits (BAD_TICK 198); "
        "name a larger max_price_ticks or a coarser tick with --contract; --allow-refused accepts it\n"
    )
    assert json.loads(said.out.splitlines()[-1])["lost"] == {"BAD_TICK": 198}
    assert ran("--allow-refused") == 0
    assert "198 of 200 commands were refused" in capsys.readouterr().err
    if command == "convert":
        assert lionrock("replay", tmp_path / "first") == 0, "a journal's refusals are its own"


def test_repeated_orders_are_shown(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example.write_text(example.read_text() + "6000,new,2,buy,3,99,,\n7000,new,9,buy,3,98,,\n7000,new,9,buy,3,98,,\n")
    assert lionrock("replay", example) == 3
    said = capsys.readouterr()
    assert "repeated orders" in said.out and "refused DUPLICATE_ID" in said.out
    assert "2 of 8 commands were refused for limits" in said.err and "give each order an id of its own" in said.err


def test_the_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("replay", "convert"):
        with pytest.raises(SystemExit):
            lionrock(command, "--help")
        said = capsys.readouterr().out
        assert "exit codes: 0 " in said and "3 " in said and "--allow-refused" in said


def test_the_first_differences_of_executions_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = ("34200.1,1,11", "34200.2,1,12", "34200.3,4,12", "34200.4,3,11")
    messages = "".join(f"{step},10,1000100,1\n" for step in steps)
    rows = "".join(f"1000200,20,1000100,{size}\n" for size in (40, 50, 40, 30))
    assert lionrock("replay", lobster_files(tmp_path, messages, rows)) == 0
    said = capsys.readouterr().out
    assert "first differences from the recorded executions:" in said
    assert "recorded 10 at 1000100 from order 12; here 10 at 1000100" in said


def test_reports_go_to_a_file(example: Path, tmp_path: Path) -> None:
    assert lionrock("replay", example, "--reports", tmp_path / "out.txt", "--json") == 0
    assert (tmp_path / "out.txt").read_text().splitlines()[-1] == "2,5,1,1,101"


def test_a_converted_recording_replays_to_the_same_digest(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lionrock("replay", example, "--json") == 0
    direct = last_object(capsys)
    assert lionrock("convert", example, tmp_path / "journal", "--json") == 0
    converted = last_object(capsys)
    assert lionrock("replay", tmp_path / "journal", "--json") == 0
    replayed = last_object(capsys)
    assert direct["digest"] == converted["digest"] == replayed["digest"]
    assert (replayed["trades"], replayed["messages"]) == (1, converted["seq"])
    assert lionrock("replay", tmp_path, "--json") == 0
    assert last_object(capsys)["digest"] == direct["digest"]
    assert lionrock("replay", tmp_path / "journal", "--until", str(converted["seq"] - 2), "--json") == 0
    assert last_object(capsys)["digest"] != direct["digest"]
    assert lionrock("convert", example, tmp_path / "journal") == 2
    assert "holds a journal already" in capsys.readouterr().err


def test_the_data_folder_of_a_venue_is_not_converted_into(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set-up").mkdir()
    (tmp_path / "set-up" / "registry.db").touch()
    (tmp_path / "running" / "journal").mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    for folder in ("set-up", "set-up/journal", "running"):
        assert lionrock("convert", example, tmp_path / folder) == 2
        [said] = capsys.readouterr().err.splitlines()
        assert "is the data folder of a venue; choose a folder of its own" in said
    assert set(tmp_path.rglob("*")) == before


def test_a_failed_conversion_leaves_nothing_behind(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text(example.read_text() + "new,oops\n")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes").write_text("mine")
    before = set(tmp_path.rglob("*"))
    for folder in ("new/journal", "kept"):
        assert lionrock("convert", tmp_path / "bad.csv", tmp_path / folder) == 2
        [said] = capsys.readouterr().err.splitlines()
        assert "bad.csv, line" in said
        assert set(tmp_path.rglob("*")) == before
    assert lionrock("convert", example, tmp_path / "kept") == 0


@needs_data
@compiled
def test_a_recording_with_a_book_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = DATA / "bitstamp_2015" / "2015-05-01.log.xz"
    assert lionrock("replay", log, "--json") == 0
    direct = last_object(capsys)
    assert lionrock("convert", log, tmp_path / "journal") == 0
    capsys.readouterr()
    assert lionrock("replay", tmp_path / "journal", "--json") == 0
    assert last_object(capsys)["digest"] == direct["digest"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{missing}"], "no such file"),
        (["{bad}"], "bad.csv, line 2, side: 'up' is none of buy, sell"),
        (["{example}", "--book", "{bad}"], "has no recorded book to compare with"),
        (["{example}", "--format", "flash1"], "magic: b'time_ns,' is not b'100_WBEM'"),
        (["{example}", "--contract", "X,tick=0"], "contract: tick='0' is not a decimal number above 0"),
        (["{example}", "--contract", "X,max_price_ticks=9e9"], "max_price_ticks='9e9' is not within 1 to"),
        (["{example}", "--contract", "X,colour=red"], "'colour' is none of tick, lot, max_price_ticks"),
        (["{example}", "--reports", "{folder}"], "is a directory"),
        (["{folder}"], "example.csv, line 1, header: is not that of bad.csv; a folder has one for all"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text("action,cl_ord_id,side,qty_lots\nnew,1,up,5\n")
    names = {"missing": tmp_path / "none", "bad": tmp_path / "bad.csv", "example": example, "folder": tmp_path}
    assert lionrock("replay", *(argument.format(**names) for argument in arguments)) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("lionrock replay: ") and message in said[0]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--until", "soon"), ("--speed", "0"), ("--speed", "x"), ("--depth", "0"), ("--format", "pcap")],
)
def test_bad_options_name_the_remedy(
    example: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        lionrock("replay", example, option, value)
    assert f"argument {option}" in capsys.readouterr().err


def test_skip_bad_counts_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,up,5,1\nnew,2,buy,5,1\n")
    assert lionrock("replay", tmp_path / "a.csv", "--skip-bad", "--json") == 0
    said = last_object(capsys)
    assert (said["bad_lines"], said["commands"]) == (1, 1)


def test_until_reads_a_count_or_a_utc_time() -> None:
    parser = argparse.ArgumentParser()
    replay.add_input_arguments(parser)
    for text, expected in (
        ("5000", Until(message=5000)),
        ("2015-05-01T02:00", Until(time_ns=1_430_445_600_000_000_000)),
        ("2015-05-01T02:00:00.000001Z", Until(time_ns=1_430_445_600_000_001_000)),
        ("2015-05-01T04:00+02:00", Until(time_ns=1_430_445_600_000_000_000)),
        ("2015-05-01T02:00:00.000000789", Until(time_ns=1_430_445_600_000_000_789)),
        ("2015-05-01T02:00:00.0000007+00:00", Until(time_ns=1_430_445_600_000_000_700)),
    ):
        assert parser.parse_args(["path", "--until", text]).until == expected


def test_to_is_a_venue_or_the_end_of_what_is_wanted(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for command in (replay, convert):
        command.add_parser(commands)
    args = parser.parse_args(["replay", "a", "--to", "wss://venue.example", "--from", "2015-05-01", "--to", "5000"])
    assert (args.to, args.until) == ("wss://venue.example", Until(message=5000))
    args = parser.parse_args(["convert", "a", "journal", "--to", "2015-05-01T02:00"])
    assert args.until == Until(time_ns=1_430_445_600_000_000_000)
    with pytest.raises(SystemExit):
        lionrock("replay", example, "--to", "soon")
    said = capsys.readouterr().err
    assert "argument --to: no URL of a venue such as ws://127.0.0.1:8765, and 'soon' is neither a count" in said


def test_pace_waits_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1]
    monkeypatch.setattr("gateway.clock.steady_ns", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + round(seconds * 1e9)))
    pace = Pace(2.0)
    assert pace.left_s(0) == 0.0  # what opens a market has no time
    pace(1_000_000_000)
    assert now[0] == 1
    pace(2_000_000_000)
    assert now[0] == 500_000_001
    pace(1_500_000_000)
    assert now[0] == 500_000_001


def test_times_out_of_order_are_counted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "late.csv"
    lines = "".join(f"{time_ns},new,{number},buy,1,{number}\n" for number, time_ns in enumerate((5, 9, 7, 8, 9, 4), 1))
    path.write_text(f"time_ns,action,cl_ord_id,side,qty_lots,price_ticks\n{lines}")
    assert lionrock("replay", path, "--json") == 0
    assert last_object(capsys)["times_out_of_order"] == 3
    assert lionrock("replay", path, "--until", "3") == 0
    assert "times out of order" in (said := capsys.readouterr().out) and "1; the engine's clock does not" in said
    assert lionrock("replay", "synthetic:1:100") == 0
    assert "out of order" not in capsys.readouterr().out


def test_a_damaged_file_tells_what_was_read_until_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["action,cl_ord_id,side,qty_lots,price_ticks"]
    lines += [f"new,{number},buy,1,{number}" for number in range(1, 200_001)]
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) * 3 // 4])
    assert lionrock("replay", tmp_path / "cut.csv.gz") == 2
    [said] = capsys.readouterr().err.splitlines()
    found = re.search(r"damaged after line ([\d,]+): .*; ([\d,]+) messages were read until then$", said)
    assert found, said
    line, messages = (int(text.replace(",", "")) for text in found.groups())
    assert 50_000 < messages < line < 200_000


def test_how_much_of_a_file_was_read_is_known_while_it_is_open(tmp_path: Path) -> None:
    quick_xz = partial(lzma.compress, preset=0)
    for name, pack in (("a.csv", bytes), ("a.csv.gz", partial(gzip.compress, compresslevel=1)), ("a.csv.xz", quick_xz)):
        path = tmp_path / name
        path.write_bytes(pack(np.random.default_rng(1).bytes(4_000_000)))  # 1.6 MB at most are unpacked ahead
        assert share_read(path) == 0
        with sources(path)[0].open() as stream:
            stream.read(800_000)
            assert 0.1 < share_read(path) < 0.7
            stream.read()
            assert share_read(path) == 1
    stream.close()


def test_a_bar_shows_the_rate_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now = io.StringIO(), [0.0]
    terminal = Console(file=screen, force_terminal=True, width=100, get_time=lambda: now[0])
    monkeypatch.setattr("gateway.commands.common.Console", lambda stderr: terminal)
    for share, total, words in ((None, 4_000, "2,000 of 4,000"), (lambda: 0.25, 0, "2,000 of about 8,000")):
        screen.truncate(0)
        with progress_bar("messages", share) as show:
            for done in (0, 1_000, 2_000):
                now[0] += 1
                show(done, total)
        said = screen.getvalue()
        assert f"{words}, 667/s, 0:00:03, 0:00:0{3 * (total or 8_000) // 2_000 - 3} left" in said, said
