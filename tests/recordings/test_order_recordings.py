"""The formats of single orders end to end: a small exchange's day, written in each, leads the engine to its books."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.recordings import open_recording
from engine.recordings.batches import Wanted
from engine.recordings.bitstamp_live import BitstampLiveDecoder
from engine.recordings.coinbase import CoinbaseDecoder
from engine.recordings.itch import ItchDecoder
from engine.recordings.lives_reader import LivesReader
from engine.recordings.order_lives import LifeDecoder
from engine.recordings.pitch import PitchDecoder
from engine.recordings.pitch_binary import BinaryPitchDecoder
from engine.recordings.source import Source
from tests.recordings import itch_writer, pitch_binary_writer, pitch_writer
from tests.recordings.bitstamp_writer import BitstampWriter
from tests.recordings.coinbase_writer import CoinbaseWriter
from tests.recordings.data import compiled, play
from tests.recordings.small_exchange import Fact, SmallExchange
from tests.recordings.test_commands import last_object, lionrock

SYMBOLS = ("AAA", "BBB", "CCC")
CENTS = Wanted(contracts=("tick=0.01",))
Day = list[list[Fact]]


def itch(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    return itch_writer.file_of((fact for step in day for fact in step), SYMBOLS), ItchDecoder


def pitch(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    return pitch_writer.file_of(fact for step in day for fact in step), PitchDecoder


def pitch_messages(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    return pitch_binary_writer.file_of(fact for step in day for fact in step), BinaryPitchDecoder


def pitch_frames(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    return pitch_binary_writer.framed(fact for step in day for fact in step), BinaryPitchDecoder


def coinbase(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    writer = CoinbaseWriter()
    return "\n".join(line for step in day for line in writer.lines(step)).encode(), CoinbaseDecoder


def bitstamp(day: Day) -> tuple[bytes, type[LifeDecoder]]:
    writer = BitstampWriter()
    return "\n".join(line for step in day for line in writer.lines(step)).encode(), BitstampLiveDecoder


@compiled
@pytest.mark.parametrize("write", [itch, pitch, pitch_messages, pitch_frames, coinbase, bitstamp])
def test_a_day_leads_to_its_books_and_executions(write: Callable[[Day], tuple[bytes, type]], tmp_path: Path) -> None:
    exchange = SmallExchange(11, SYMBOLS, reduces=write is not bitstamp)
    day = list(exchange.day(1500))
    content, decoder = write(day)
    (tmp_path / "day").write_bytes(content)
    reader = open_recording(tmp_path / "day", wanted=CENTS)
    assert isinstance(reader, LivesReader) and isinstance(reader.decoder, decoder)
    result, _ = play(reader, levels=100)
    executions = sum(fact.kind == "execute" for fact in exchange.facts)
    depths = {name: contract.depth for name, contract in result.contracts.items()}
    assert depths == {name: exchange.book(name) for name in SYMBOLS}
    assert result.executions == result.executions_as_recorded == executions > 150
    within_a_millisecond = 1 if write is pitch else 0
    assert result.trades == executions - within_a_millisecond, "two aggressors of one millisecond are one in PITCH"
    assert result.book_rows_equal == result.book_rows_checked > 1000  # type: ignore[operator]
    assert result.rejects == {} and result.lost == {} and not result.ignored.keys() - {"message of another channel"}


@compiled
def test_a_person_names_symbols_and_ticks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchange = SmallExchange(12, SYMBOLS)
    path = tmp_path / "01302020.NASDAQ_ITCH50.gz"
    path.write_bytes(gzip.compress(itch(list(exchange.day(400)))[0]))
    assert lionrock("replay", path, "--symbols", "BBB", "--contract", "tick=0.01", "--json", "--depth", 100) == 0
    said = last_object(capsys)
    assert said["contract"] == "BBB" and said["book_rows_equal"] == said["book_rows_checked"] > 50
    assert [list(map(tuple, side)) for side in said["depth"]] == list(exchange.book("BBB"))
    assert said["ignored"]["message of a symbol that is not wanted"] > 100
    assert lionrock("replay", path, "--symbols", "BBC") == 2
    assert "--symbols: BBC is not in the recording; there are: AAA, BBB, CCC" in capsys.readouterr().err


@pytest.mark.parametrize("write", [itch, pitch, pitch_messages, pitch_frames, coinbase, bitstamp])
def test_names_that_no_line_may_hold_are_made_readable(
    write: Callable[[Day], tuple[bytes, type[LifeDecoder]]], tmp_path: Path
) -> None:
    content, decoder = write(list(SmallExchange(13, SYMBOLS[:1], reduces=write is not bitstamp).day(40)))
    in_json = write in (coinbase, bitstamp)
    (tmp_path / "day").write_bytes(content.replace(b"AAA", rb"\u001b\nA" if in_json else b"\x1b\x7fA"))
    found = decoder(Source(tmp_path / "day"), Wanted(), False)
    assert sum(len(block.rows) for block in found.blocks()) > 20
    assert {spec.name for spec in found.contracts} == {"??A"} and "??A" in found.seen


@compiled
def test_a_day_without_an_order_is_an_empty_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "day.itch").write_bytes(itch_writer.directory(SYMBOLS))
    assert lionrock("replay", tmp_path / "day.itch") == 0
    assert "4 as 0 commands" in capsys.readouterr().out
