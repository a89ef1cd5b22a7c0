"""An affiliated maker from approval to suspension, with the very commands of the office's document, on a live venue."""

import asyncio
import io
import json
import shlex
from contextlib import AsyncExitStack, asynccontextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path

import pytest

from gateway import cli
from gateway.client import Client, RpcError
from gateway.registry.registry import Registry
from gateway.wire.civil_dates import HKT
from tests.gateway.identified import identity_file, scripted_sources
from tests.gateway.live import BTC, config_of, play, running, set_up, until

README = Path(__file__).parents[2] / "gateway" / "office" / "README.md"


def blocks():
    """The commands of the document: approval and report, then suspension."""
    text = README.read_text().partition("## Affiliated market makers")[2]
    found = [part.partition("```")[0].replace("\\\n", " ") for part in text.split("```sh\n")[1:3]]
    return [[line for line in block.splitlines() if line] for block in found]


def run(words):
    """Run a command; what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = cli.main(words)
    return code, printed.getvalue()


async def lionrock(line):
    """Run a line of the document beside the server."""
    words = shlex.split(line)
    assert words[0] == "lionrock"
    code, printed = await asyncio.to_thread(run, words[1:])
    assert code == 0 or "affiliates" in words, printed
    return printed


@asynccontextmanager
async def governed_market(folder, names):
    """A server of a venue that has officers, whose index they have decided on, and a client for each trader."""
    config = config_of(folder)
    traders = set_up(config, names)
    registry = Registry(config.registry)
    scripted_sources(registry)
    registry.close()
    async with running(config) as server, AsyncExitStack() as stack:
        clients = [Client(f"ws://127.0.0.1:{server.port}", trader.key.id, trader.key.secret) for trader in traders]
        for client in clients:
            await client.connect()
            stack.push_async_callback(client.close)
        yield server, clients


async def refused(call):
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.reason


async def last_trade(client):
    """The latest public trade."""
    answer = await client.call("public/get_last_trades_by_instrument", instrument_name=BTC, count=1)
    return answer["trades"][0]


def test_an_affiliate_from_its_approval_to_its_suspension(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "venue"
    monkeypatch.setenv("LIONROCK_DATA", str(data))
    monkeypatch.setenv("LIONROCK_OFFICER", str(tmp_path / "ann.key"))
    (tmp_path / "barriers.pdf").write_text("who may know what")
    officers = (("Ann Lee", "ann.key"), ("Ben Wong", "ben.key"))
    words = ["admin", "init"]
    for name, key in officers:
        words += ["--officer", name, key, str(identity_file(tmp_path, name))]
    assert run(words)[0] == 0
    # The traders come by the short way of a venue without officers; what is tested is what officers do with them.
    monkeypatch.setattr(Registry, "check_open", lambda registry: None)
    (tag, approve, second, report), (suspend,) = blocks()

    async def story():
        async with governed_market(data, ("maker", "alice", "bob")) as (server, (maker, alice, bob)):
            await maker.sell(BTC, "0.3", price="20100")
            await lionrock(tag)
            await until(lambda: not server.venue.projection.open_orders(0))
            assert "AFFILIATE_NOT_APPROVED" in await refused(maker.sell(BTC, "0.3", price="20100", post_only=True))
            [proposed] = json.loads(await lionrock(f"{approve} --json"))
            assert proposed["state"] == "proposed"
            assert "Grace Tam" in await lionrock(f"lionrock admin show {proposed['number']}")
            await lionrock(second.replace(" 2 ", f" {proposed['number']} "))
            assert "AFFILIATE_ORDER_STYLE" in await refused(maker.sell(BTC, "0.3", price="20100"))
            heard = []
            await bob.subscribe(f"trades.{BTC}.raw", heard.extend)
            # The maker came first; the client at its price is served before it, with what it hides.
            quote = await maker.sell(BTC, "0.3", price="20100", post_only=True)
            hidden = await alice.sell(BTC, "0.2", price="20100", display_amount="0.01")
            taken = await bob.buy(BTC, "0.25", price="20100")
            assert {trade.affiliated_maker for trade in taken.trades[:-1]} == {False}
            assert (taken.trades[-1].affiliated_maker, str(taken.trades[-1].amount)) == (True, "0.05")
            assert (await last_trade(alice))["affiliated_maker"] is True
            await until(lambda: len(heard) == len(taken.trades))
            assert [trade["affiliated_maker"] for trade in heard] == [False] * (len(heard) - 1) + [True]
            rules = await alice.call("venue/get_rules")
            assert {row["subject"] for row in rules["affiliated_makers"]} >= {"priority", "post_trade_data"}
            assert [order.order_id for order in await maker.open_orders()] == [quote.order.order_id]
            assert hidden.order.order_id not in [order.order_id for order in await alice.open_orders()]
            said = await lionrock(suspend)
            assert "suspend_affiliate: carried out at sequences " in said and "1 order cancelled" in said
            assert await maker.open_orders() == []
            assert await refused(maker.sell(BTC, "0.1", price="20100", post_only=True))
            assert (await maker.buy(BTC, "0.05", price="19900", reduce_only=True)).order.order_state == "open"

    play(story(), seconds=240)
    today = str(datetime.now(HKT).date())
    code, printed = run([*shlex.split(report)[1:3], "--day", today, "--json"])
    maker = json.loads(printed)["makers"][0]
    assert code in (0, 1) and (maker["maker_fills"], maker["fills"]) == (1, 1)
    assert maker["approval"]["responsible_officer"] == "Grace Tam"
    assert len(maker["approval"]["information_barriers_hash"]) == 64
    assert run(["audit", "export", str(data), "--output", "trail.jsonl"])[0] == 0
    # The registry's rows of the traders are vouched for by nobody, which verify says too.
    _, printed = run(["audit", "verify", "trail.jsonl", "--journal", str(data)])
    assert "1 fills of affiliates' resting orders" in printed and "none before a client's quantity" in printed
