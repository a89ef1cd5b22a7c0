"""`lionrock replay --to`: a recording through real connections to a running venue."""

import argparse
import json
from pathlib import Path

import pytest

from engine.codes import Mode
from engine.host import Engine
from engine.recordings import open_recording
from gateway.client import client
from gateway.commands import replay, replay_to
from tests.gateway.live import BTC, key_file, market, play

CSV = """time_ns,action,cl_ord_id,side,qty_lots,price_ticks,tif,flags
1000000000,new,1,sell,5,41000,,
1000000000,new,2,buy,3,39000,gtc,post_only
1020000000,new,3,buy,2,41000,ioc,
1020000000,new,4,buy,2,41000,gtc,
1040000000,amend,2,,2,,,
1060000000,cancel,1,,,,,
1060000000,cancel,99,,,,,
"""


def arguments(path, *words):
    parser = argparse.ArgumentParser()
    replay.add_parser(parser.add_subparsers())
    return parser.parse_args(["replay", str(path), *words])


def exit_code(args):
    """What the process would end with."""
    try:
        return args.run(args)
    except SystemExit as ended:
        return ended.code


def sent(tmp_path, capsys, text, *words, settings=None, names=("alice", "bob"), code=0):
    """Replay a CSV to a live venue: the summary, and what the first client sees afterwards."""
    path = tmp_path / "orders.csv"
    path.write_text(text)

    async def story():
        async with market(tmp_path / "venue", names, **(settings or {})) as (server, clients):
            files = [key_file(tmp_path, made.key_id, made._secret) for made in clients]
            keys = [word for file in files for word in ("--secret-file", file)]
            args = arguments(path, "--to", f"ws://127.0.0.1:{server.port}", "--json", *keys, *words)
            assert await replay_to._replay(args, open_recording(path)) == code
            return [await made.open_orders() for made in clients], await clients[0].user_trades(BTC)

    found = play(story())
    return json.loads(capsys.readouterr().out.splitlines()[-1]), found


def test_a_recording_trades_on_a_live_venue(tmp_path, capsys):
    summary, (orders, trades) = sent(tmp_path, capsys, CSV)
    assert (summary["messages"], summary["commands"], summary["connections"]) == (7, 7, 2)
    assert (summary["accepted"], summary["amended"], summary["cancelled"]) == (4, 1, 1)
    assert summary["rejects"] == {"UNKNOWN_ORDER": 1}
    assert summary["fills"] == 4  # two trades, both sides heard
    assert [[order.cl_ord_id for order in own] for own in orders] == [[2], []]
    assert len(trades) == 1


def test_a_pace_is_kept_and_an_end_is_heeded(tmp_path, capsys):
    summary, _ = sent(tmp_path, capsys, CSV, "--speed", "0.5", "--until", "5", "--instrument", "ETH_USDC-PERPETUAL")
    assert (summary["messages"], summary["commands"]) == (5, 5)
    assert summary["seconds"] >= 0.08


def test_a_mass_cancel_goes_to_every_connection(tmp_path, capsys):
    header = CSV.splitlines()[0]
    rows = ("1,new,1,sell,5,41000,,", "1,new,2,buy,3,39000,,", "1,new,3,buy,2,39000,,", "2,mass_cancel,,buy,,,,")
    summary, (orders, _) = sent(tmp_path, capsys, "\n".join((header, *rows, "3,new,4,buy,1,38000,,\n")))
    assert (summary["commands"], summary["accepted"], summary["cancelled"], summary["rejects"]) == (5, 4, 2, {})
    assert [[order.cl_ord_id for order in own] for own in orders] == [[4], [1]]


def test_messages_are_counted_up_to_a_time(tmp_path, capsys):
    summary, _ = sent(tmp_path, capsys, CSV, "--until", "1970-01-01T00:00:01.01")
    assert (summary["messages"], summary["commands"]) == (2, 2)


def test_a_rate_limit_is_waited_for(tmp_path, capsys):
    rows = "".join(f"{n},new,{n},buy,1,39000,,\n" for n in range(1, 1201))
    header = CSV.splitlines()[0] + "\n"
    settings = {"orders_per_s": 2000, "orders_burst": 600}
    summary, (orders, _) = sent(tmp_path, capsys, header + rows, settings=settings, names=("alice",), code=3)
    assert summary["rate_limit_waits"] > 0
    assert summary["accepted"] + sum(summary["rejects"].values()) == 1200
    assert len(orders[0]) == summary["accepted"] == 1000
    assert summary["rejects"] == {"TOO_MANY_ORDERS": 200}


@pytest.mark.parametrize(
    "words, reason",
    [
        (["--instrument", "DOGE", "--secret-file", "kept"], "the venue lists"),
        (["--key", "a", "--key", "b", "--secret-file", "kept"], "each key needs its file"),
        (["--secret-file", "none"], "--secret-file: none: no such file"),
        (["--key", "a"], "--secret-file: the secret of key a is missing"),
        ([], "--key: a key and its secret are needed"),
        (["--reports", "r.txt"], "--reports"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, capsys, monkeypatch, words, reason):
    path = tmp_path / "orders.csv"
    path.write_text(CSV)

    async def listed(self, method, **params):
        return [{"instrument_name": BTC, "instrument_id": 1}]

    async def nothing(self):
        return None

    monkeypatch.setattr(client.Client, "call", listed)
    monkeypatch.setattr(client.Client, "connect", nothing)
    monkeypatch.setattr(client.Client, "close", nothing)
    monkeypatch.chdir(Path(key_file(tmp_path, "kept", "s")).parent)
    Path("kept.key").rename("kept")
    args = arguments(path, "--to", "ws://127.0.0.1:1", *words)
    assert exit_code(args) == 2
    assert reason in capsys.readouterr().err


def test_a_journal_is_refused_with_the_remedy(tmp_path, capsys):
    Engine.create(tmp_path / "journal", Mode.RESEARCH).close()
    args = arguments(tmp_path / "journal", "--to", "ws://127.0.0.1:1")
    assert exit_code(args) == 2
    assert "give a recording of orders" in capsys.readouterr().err
