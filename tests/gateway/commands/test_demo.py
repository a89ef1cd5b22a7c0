"""The demo opens on a market that is alive, says how to trade on it, and leaves nothing behind."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine import host
from engine.codes import CommandKind, EventKind, ExecInst, Side
from gateway import clock
from gateway.client import Client
from gateway.commands import demo_market
from gateway.commands.demo_history import DayBefore
from gateway.config import Config
from tests.recordings.data import compiled

LIONROCK = Path(sys.executable).parent / "lionrock"
LONGEST_WAIT = 300
pytestmark = compiled


@contextmanager
def _demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A demo whose temporary folders are made in this one, in a session of its own."""
    folder.mkdir(exist_ok=True)
    command = [str(LIONROCK), "demo", "--port", "0", "--seconds", "600", *words]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _is_alone(session: int) -> bool:
    """Whether no process of a session is left."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return True
    return False


def _ends_without_a_trace(process: subprocess.Popen[str], folder: Path) -> None:
    process.terminate()
    assert process.wait(LONGEST_WAIT) == 0
    assert _is_alone(process.pid)
    assert list(folder.iterdir()) == []


async def _scopes_of(page: str, officer: dict[str, str]) -> str:
    """What an officer may do at the officers' port."""
    async with Client(page.replace("http", "ws", 1)) as client:
        params = {
            "grant_type": "client_credentials", "client_id": officer["key"], "client_secret": officer["secret"],
        }  # fmt: skip
        scopes = (await client.call("public/auth", **params))["scope"]
    assert "compliance" in scopes and "admin" in scopes
    return str(scopes)


async def _facts_of_an_hour(facts: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What each contract's hour before has: candles, their volumes' spread, funding rates, liquidations."""
    found = {}
    async with Client(facts["url"], facts["key"], facts["secret"]) as client:
        for row in await client.call("public/get_instruments"):
            name, now_ms = row["instrument_name"], int(time.time() * 1000)
            window = {"instrument_name": name, "start_timestamp": now_ms - 3_600_000, "end_timestamp": now_ms}
            candles = await client.call("public/get_tradingview_chart_data", resolution="1", **window)
            rates = await client.call("public/get_funding_rate_history", **window)
            trades = await client.call("public/get_last_trades_by_instrument", instrument_name=name, count=1000)
            found[name] = {
                "candles": len(candles["ticks"]), "volumes": len(set(candles["volume"])), "rates": len(rates),
                "closes": len(set(candles["close"])), "trades": len(trades["trades"]),
            }  # fmt: skip
            amount = 10 * row["amount_step"]
            sold = await client.call("private/sell", instrument_name=name, amount=amount, type="market")
            assert sold["order"]["order_state"] == "filled"
    return found


def test_it_has_an_hour_behind_it_can_be_traded_on_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with _demo(tmp_path / "temporary", "--hours", "1", "--json") as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert facts["address"] == f"{facts['page']}/#key={facts['key']}&secret={facts['secret']}"
        page, first, second = facts["console"].partition("/#")[0], *facts["officers"]
        assert facts["console"] == f"{page}/#key={first['key']}&secret={first['secret']}"
        assert asyncio.run(_scopes_of(page, first)) == asyncio.run(_scopes_of(page, second))
        found = asyncio.run(_facts_of_an_hour(facts))
        assert list(found) == [listing.name for listing in demo_market.LISTINGS]
        for name, hour in found.items():
            assert hour["candles"] >= 58, name
            assert hour["volumes"] > 50, name
            assert hour["closes"] > 40, name
            assert hour["trades"] > 500, name
        assert found["DOGE_USDC-PERPETUAL"]["rates"] >= 5
        _ends_without_a_trace(process, tmp_path / "temporary")


def test_a_signal_in_the_middle_of_its_start_leaves_nothing(tmp_path: Path) -> None:
    with _demo(tmp_path / "temporary", "--hours", "168", "--json") as process:
        deadline = time.monotonic() + LONGEST_WAIT
        while not list((tmp_path / "temporary").glob("*/journal/journal-*")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        _ends_without_a_trace(process, tmp_path / "temporary")


def test_the_commands_that_it_prints_work_in_any_folder(tmp_path: Path) -> None:
    with _demo(tmp_path / "temporary", "--hours", "0") as process:
        assert process.stdout is not None
        said = [""]
        while not said[-1].endswith("trade positions"):
            assert process.poll() is None
            said.append(process.stdout.readline().strip())
        begin = next(place for place, line in enumerate(said) if line.startswith("export "))
        lines = [line + " --seconds 1" if line.endswith(" watch") else line for line in said[begin:]]
        assert shlex.split(lines[1])[0] == str(LIONROCK)
        done = subprocess.run(
            ["bash", "-euc", "\n".join(lines)], cwd="/", capture_output=True, text=True, timeout=LONGEST_WAIT
        )
        assert done.returncode == 0, done.stderr
        assert "BTC_USDC-PERPETUAL" in done.stdout


def test_the_hours_before_are_a_sound_log_with_liquidations_and_funding(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path), durability="none", testnet=True)
    begin_ns = demo_market.began_before(1)
    traders = demo_market.set_up(config, begin_ns)
    told: list[tuple[int, int]] = []
    DayBefore(config, traders, begin_ns).write(lambda done, total: told.append((done, total)))
    assert told[0][0] == 360 and told[0][1] < 2 * 360  # an hour is all there is to do
    kinds = np.zeros(max(EventKind) + 1, np.int64)

    def count(commands: Any, events: Any) -> None:
        kinds[:] += np.bincount(events["kind"], minlength=len(kinds))

    engine = host.Engine.read(config.journal, sink=count)
    assert not kinds[EventKind.REFUSED]
    assert kinds[EventKind.LIQUIDATION_STARTED] and kinds[EventKind.FUNDING_PAID]
    state = engine.root[0]
    assert 0 <= clock.wall_ns() - int(state["now_ns"]) < LONGEST_WAIT * clock.NS_PER_S
    contracts = state["contracts"][: len(demo_market.LISTINGS)]
    assert contracts["open_interest_lots"].all() and contracts["mark_subticks"].all()


def test_gamblers_take_what_they_have_won_long_and_short(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path), durability="none", testnet=True)
    begin_ns = demo_market.began_before(6)
    traders = demo_market.set_up(config, begin_ns)
    DayBefore(config, traders, begin_ns).write(lambda done, total: None)
    sides: Counter[int] = Counter()

    def note(commands: Any, events: Any) -> None:
        taken = (commands["kind"] == CommandKind.NEW) & (commands["flags"] & ExecInst.REDUCE_ONLY != 0)
        sides.update(commands["side"][taken].tolist())

    host.Engine.read(config.journal, sink=note)
    assert sides[Side.SELL] and sides[Side.BUY], sides
