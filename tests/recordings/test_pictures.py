"""Pictures of recordings, and the book of a recording in the terminal."""

import json
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.codes import Side
from engine.recordings import Session, backtest, open_recording
from engine.recordings.charts import TIME, Bar, Bars, Chart, Curve, Panel, chart_page
from engine.recordings.drawing import draw
from engine.recordings.flash1 import CSV_COLUMNS
from engine.recordings.picture_page import page
from engine.recordings.pictures import COLUMNS, gather
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.source import RecordingError
from tests.recordings.data import compiled
from tests.recordings.test_commands import lionrock

TWO_CONTRACTS = (
    "time_ns,contract,action,cl_ord_id,side,qty_lots,price_ticks,tif\n"
    "1000000,A,new,1,sell,5,101,\n2000000,B,new,2,sell,7,55,\n3000000,A,new,3,buy,3,99,\n3000000,A,new,4,buy,2,101,ioc\n"
)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A recording of two contracts."""
    (tmp_path / "two.csv").write_text(TWO_CONTRACTS)
    return tmp_path / "two.csv"


def data_of(text: str) -> dict[str, Any]:
    """What a page's script draws."""
    found = re.search(r"^const D = (.*);$", text, re.MULTILINE)
    assert found
    return dict(json.loads(found[1].replace("<\\/", "</")))


@compiled
def test_a_picture_has_everything_that_was_traded_and_the_book_at_its_end() -> None:
    picture = gather(open_recording("synthetic:3:40000"))
    recording = open_recording("synthetic:3:40000")
    whole = replay(recording, prepare(recording), Options(levels=1))
    assert COLUMNS <= len(picture.places) <= 2 * COLUMNS and (np.diff(picture.places) > 0).all()
    assert picture.traded[:, [0, 2]].sum() == whole.volume_lots and picture.messages == 40_000
    (bid, _), (ask, _) = whole.depth[0][0], whole.depth[1][0]
    assert (picture.bids[-1], picture.asks[-1]) == (bid, ask)
    assert picture.low_ticks <= bid < ask < picture.high_ticks
    best = int((bid - picture.low_ticks) // picture.step_ticks), int((ask - picture.low_ticks) // picture.step_ticks)
    assert picture.depth[best[0], -1] != 0 and picture.depth[best[1] + 1, -1] > 0
    assert gather(open_recording("synthetic:3:40000"), until_message=7_000).messages == 7_000


def test_few_messages_have_a_column_each(two: Path) -> None:
    picture = gather(open_recording(two))
    assert picture.places.tolist() == [1_000_000, 2_000_000, 3_000_000] and picture.contract.name == "A"
    assert picture.asks.tolist() == [101, 101, 101] and np.isnan(picture.bids[:2]).all() and picture.bids[2] == 99
    assert picture.traded.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [2, 202, 0, 0]]
    assert picture.depth[101 - picture.low_ticks].tolist() == [5, 5, 3]
    assert picture.depth[99 - picture.low_ticks].tolist() == [0, 0, -3], "bids are below 0"
    other = gather(open_recording(two), "B")
    assert other.contract.name == "B" and other.asks[-1] == 55 and not other.traded.any()
    assert gather(open_recording(two), until_ns=2_000_000).places.tolist() == [1_000_000, 2_000_000]
    with pytest.raises(RecordingError, match="C: no contract of the recording, which has A, B"):
        gather(open_recording(two), "C")


def test_without_a_clock_the_axis_is_messages(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{','.join(CSV_COLUMNS)}\nNEW,0,0,5,1,1,100\nNEW,1,0,5,2,2,103\n")
    picture = gather(open_recording(tmp_path / "a.csv"))
    assert picture.places.tolist() == [1, 2] and not picture.has_clock
    data = data_of(page(picture))
    assert (data["places"], data["hasClock"], data["bids"], data["asks"]) == ([1, 2], False, [100, 100], [None, 103])


def test_an_axis_of_times_begins_with_the_first_time(two: Path, tmp_path: Path) -> None:
    assert lionrock("convert", two, tmp_path / "journal") == 0
    picture = gather(open_recording(tmp_path / "journal"))
    assert picture.places.tolist() == [1_000_000, 2_000_000, 3_000_000], "the market was opened at no time"
    assert picture.traded.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [2, 202, 0, 0]]
    (tmp_path / "no-times.csv").write_text("action,cl_ord_id,side,qty_lots,price_ticks\nnew,1,buy,5,7\nnew,2,buy,5,8\n")
    picture = gather(open_recording(tmp_path / "no-times.csv"))
    assert picture.places.tolist() == [1, 2] and not picture.has_clock


def test_the_page_needs_nothing_else_and_has_own_orders(two: Path) -> None:
    def strategy(session: Session) -> None:
        if session.time_ns == 1_000_000 and not session.orders:
            session.buy(100, 1)
            session.sell(101, 1)

    result = backtest(open_recording(two), strategy, every_ns=1_000_000)
    assert result.stays[["begin_ns", "end_ns", "price_ticks", "side"]].tolist() == [
        (1_000_000, 3_000_000, 100, Side.BUY), (1_000_000, 3_000_000, 101, Side.SELL),
    ]  # fmt: skip
    text = page(gather(open_recording(two)).with_own(result.fills, result.stays))
    assert not re.search(r"(src|href)=|https?://|@import", text)
    data = data_of(text)
    assert data["stays"] == [[0, 2, 100, 1], [0, 2, 101, 2]]
    assert [len(column) for column in data["depth"]] == [data["rows"]] * 3 and "\\" not in "".join(data["depth"])
    assert not data_of(page(gather(open_recording(two)).with_own(result.fills, result.stays, 1)))["stays"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_script_of_the_page_is_one_that_runs(two: Path, tmp_path: Path) -> None:
    script = re.findall(r"<script>(.*)</script>", page(gather(open_recording(two))), re.DOTALL)[0]
    calls = """
      const drawn = []; const nothing = () => {};
      const pen = new Proxy({}, { get: (_, name) => (...given) => drawn.push([name, ...given]), set: () => true });
      const element = { getContext: () => pen, addEventListener: nothing, clientWidth: 900, clientHeight: 600,
        offsetHeight: 30, style: {}, set textContent(text) { drawn.push(["text", text]); } };
      const document = { getElementById: () => element, querySelector: () => element };
      const addEventListener = nothing, devicePixelRatio = 1, innerHeight = 700;
    """
    (tmp_path / "page.js").write_text(calls + script + ";console.log(JSON.stringify(drawn))")
    said = subprocess.run(["node", tmp_path / "page.js"], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    drawn = json.loads(said.stdout)
    assert ["text", "A: 4 messages"] in drawn
    words = {call[1] for call in drawn if call[0] == "fillText"}
    assert {"spread 2", "traded 2"} <= words and any(word.startswith("1970-01-01 00:00:00.00") for word in words)
    assert sum(call[0] == "fillRect" for call in drawn) >= 5


def test_a_png_is_drawn(two: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(gather(open_recording(two)), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "empty.csv").write_text(TWO_CONTRACTS.split("\n")[0] + "\n")
    draw(gather(open_recording(tmp_path / "empty.csv")), tmp_path / "empty.png")
    assert data_of(page(gather(open_recording(tmp_path / "empty.csv"))))["places"] == []


def test_a_chart_keeps_the_extremes_of_a_long_curve() -> None:
    values = np.sin(np.arange(100_000) / 50)
    values[54_321], values[777], values[5:9] = 9, -9, np.nan
    xs, ys = Curve("wave", np.arange(100_000), values).thinned(2000)
    assert len(xs) <= 2002 and xs[0] == 0 and xs[-1] == 99_999 and xs == sorted(xs)
    assert ys[xs.index(54_321)] == 9 and ys[xs.index(777)] == -9
    assert Curve("gap", [1, 2], [float("nan"), 3]).thinned() == ([1, 2], [None, 3])
    values[50_000:51_000] = np.nan
    xs, ys = Curve("wave", np.arange(100_000), values).thinned(2000)
    assert len(xs) <= 2002 and {y is None for x, y in zip(xs, ys, strict=True) if 50_000 <= x < 51_000} == {True}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_script_of_a_chart_is_one_that_runs(tmp_path: Path) -> None:
    hour = 3_600_000_000_000
    mark = Curve("mark", [hour, 2 * hour, 3 * hour], [60_000.5, 60_001, float("nan")], "steps")
    cost = Curve("cancel", [1000, 1_000_000], [40, 91], "dots")
    chart = Chart("a </script> title", (
        Panel("price, USDC", (mark,), TIME, decimals=1),
        Panel("cancel, ns", (cost,), "orders", has_log_x=True, from_zero=True),
        Panel("empty", (Curve("none", [], []),), "seconds"),
        Bars("rate", (Bar("this", 20, 10, 30), Bar("that", 7))),
    ), "a machine")  # fmt: skip
    text = chart_page(chart)
    assert not re.search(r"(src|href)=|https?://|@import", text) and text.count("</script>") == 1
    script = re.findall(r"<script>(.*)</script>", text, re.DOTALL)[0]
    calls = """
      const drawn = [], listeners = {}; const nothing = () => {};
      const pen = new Proxy({}, { get: (_, name) => (...given) => drawn.push([name, ...given]), set: () => true });
      const make = () => ({ getContext: () => pen, style: {}, clientWidth: 900, appendChild: nothing,
        setPointerCapture: nothing, set textContent(text) { drawn.push(["text", text]); },
        addEventListener(name, run) { (listeners[name] ??= []).push(run); } });
      const document = { getElementById: make, createElement: make };
      const addEventListener = nothing, devicePixelRatio = 1;
    """
    moved = "const first = drawn.splice(0); listeners.pointermove[0]({ offsetX: 890 }); const over = drawn.splice(0);"
    end = "listeners.wheel[0]({ deltaY: -100, offsetX: 400, preventDefault: nothing }); "
    end += "console.log(JSON.stringify([first, over]));"
    (tmp_path / "chart.js").write_text(f"{calls}{script};{moved}{end}")
    said = subprocess.run(["node", tmp_path / "chart.js"], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    drawn, over = json.loads(said.stdout)
    assert ["text", "a </script> title"] in drawn and ["text", "20 (10 to 30)"] in drawn and ["text", "7"] in drawn
    words = {call[1] for call in drawn if call[0] == "fillText"}
    assert {"1,000", "1,000,000", "nothing here", "1970-01-01 02:00:00"} <= words
    assert ["text", "mark 60,001.0"] in over and ["text", "1970-01-01 02:59:06"] in over


# --- the commands -----------------------------------------------------------------------------------------------------


def test_replay_draws_a_picture(two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lionrock("replay", two, "--plot", tmp_path / "a.html", "--instrument", "B", "--until", "2", "--json") == 0
    data = data_of((tmp_path / "a.html").read_text())
    assert (data["name"], data["messages"], data["asks"]) == ("B", 2, [None, 55])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plot", "a.pdf"], "a.pdf: a picture is a .png or an .html; name one"),
        (["--plot", "a.html", "--instrument", "C"], "C: no contract of the recording, which has A, B"),
        (["--plot", "no/folder/a.html"], "no/folder/a.html: there is no folder no/folder; make it or name another"),
        (["--plot", "folder.html"], "folder.html: that is a folder; name a file"),
        (["--watch", "--json"], "--watch: it is for a person who looks; leave it out with --json"),
        (["--watch", "--accounts", "5"], "--watch: it shows the recording's own market; leave it out with --accounts"),
        (["--plot", "a.html", "--accounts", "5"], "--plot: it shows the recording's own market; leave it out with"),
        (["--watch", "--to", "ws://127.0.0.1:1"], "--watch: it shows the recording's own market; leave it out with"),
        (["--plot", "a.html", "--to", "ws://127.0.0.1:1"], "--plot: it shows the recording's own market"),
        (["--watch", "--instrument", "C"], "--instrument C: none of the recording's contracts, A, B"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    options: list[str], said: str, two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    assert lionrock("replay", two, *options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("lionrock replay: ") and said in line


def test_a_png_without_matplotlib_is_refused_before_anything_is_read(
    two: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert lionrock("replay", two, "--plot", "a.png") == 2
    assert 'a .png needs matplotlib: pip install "lionrock[plots]"; an .html' in capsys.readouterr().err


def test_watch_shows_the_book_and_the_trades_of_a_contract(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = tmp_path / "reports.txt"
    assert lionrock("replay", two, "--watch", "--contract", "A,tick=0.5,lot=0.01", "--reports", reports) == 0
    said = capsys.readouterr().out
    screen = said[: said.index("messages")]
    for part in ("A\n", "1970-01-01 00:00:00.003", "last 50.5", "0.03", "49.5", "0.02"):
        assert part in screen, part
    assert lionrock("replay", two, "--reports", tmp_path / "plain.txt") == 0
    assert reports.read_bytes() == (tmp_path / "plain.txt").read_bytes() != b""
    capsys.readouterr()
    assert lionrock("replay", two, "--watch", "--instrument", "B") == 0
    said = capsys.readouterr().out
    assert "55" in said[: said.index("messages")]


def test_watch_of_a_journal_does_not_wait_from_1970_on(
    two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two.write_text(two.read_text().replace("000000,", "000000000000000,"))
    assert lionrock("convert", two, tmp_path / "journal") == 0
    slept: list[float] = []
    now = [1]
    monkeypatch.setattr("gateway.clock.steady_ns", lambda: now[0])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += round(seconds * 1e9)

    monkeypatch.setattr("time.sleep", sleep)
    assert lionrock("replay", tmp_path / "journal", "--watch", "--speed", "1e6") == 0
    assert sum(slept) == pytest.approx(2), "2,000,000 s from the first order to the last"


def test_watch_keeps_the_pace(two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    slept: list[float] = []
    now = [1]
    monkeypatch.setattr("gateway.clock.steady_ns", lambda: now[0])
    monkeypatch.setattr(import_module("engine.recordings.replay"), "PACE_SLICE_NS", 1)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += round(seconds * 1e9)

    monkeypatch.setattr("time.sleep", sleep)
    assert lionrock("replay", two, "--watch", "--speed", "0.01") == 0
    assert sum(slept) == pytest.approx(0.2), "2 ms at a hundredth of the pace"
