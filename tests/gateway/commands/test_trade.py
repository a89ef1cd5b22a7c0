"""`lionrock trade` as a person calls it, on a venue that runs."""

import argparse
import asyncio
import contextlib
import io
import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from engine.codes import AccountAttribute
from gateway import cli
from gateway.commands import trade, trade_tables, watch
from gateway.commands.connection import client_of
from gateway.commands.trade_actions import ACTIONS
from gateway.commands.trade_tables import Decimals, Tables
from gateway.registry.registry import Registry
from tests.gateway.live import BTC, config_of, key_file, market, play, running, set_up, until

ETH = "ETH_USDC-PERPETUAL"
VARIABLES = ("LIONROCK_URL", "LIONROCK_KEY", "LIONROCK_SECRET", "LIONROCK_SECRET_FILE", "COLUMNS")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def lionrock(*words):
    """Run one command line: (exit code, what it printed, its error)."""
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        try:
            code = cli.main(words)
        except SystemExit as end:
            code = end.code
    return code, said.getvalue(), wrong.getvalue()


class Hands:
    """A trader at a terminal, beside the loop of the venue."""

    def __init__(self, client):
        self._folder = TemporaryDirectory()
        kept = key_file(Path(self._folder.name), client.key_id, client._secret)
        self.connection = ["--url", client.url, "--secret-file", kept]

    async def __call__(self, *words):
        code, said, wrong = await asyncio.to_thread(lionrock, "trade", *words, *self.connection)
        assert (code, wrong) == (0, ""), wrong
        return said

    async def json(self, *words):
        return json.loads(await self("--json", *words))

    async def refused(self, *words):
        code, said, wrong = await asyncio.to_thread(lionrock, "trade", *words, *self.connection)
        assert (code, said, len(wrong.splitlines())) == (2, "", 1), wrong
        return wrong


def on_a_venue(tmp_path, story, **settings):
    async def told():
        async with market(tmp_path / "v", **settings) as (server, clients):
            await until(lambda: server.venue.projection.ticker(1).mark_subticks)
            await story(*[Hands(client) for client in clients])

    play(told())


def words_of(text, order_id):
    """The line of a table that is about an order, word by word."""
    [line] = [line for line in text.splitlines() if line.startswith(f"{order_id} ")]
    return " ".join(line.split())


def test_orders_are_a_table_with_conditions_terms_and_the_contracts_decimals(tmp_path):
    async def story(alice, bob):
        limit = await alice.json("buy", BTC, "0.5", "19900", "--post-only", "--label", "desk 1")
        await bob("sell", BTC, "0.2", "19900")
        stop = await alice.json("buy", BTC, "0.1", "--type", "stop_market", "--trigger-price", "20500")
        take = await alice.json(
            "buy", BTC, "0.1", "19800.5", "--type", "take_limit", "--trigger-price", "19850", "--trigger", "last_price"
        )
        trail = await alice.json(
            "sell", ETH, "2", "--type", "trailing_stop", "--trigger-offset", "12.35", "--trigger", "index_price"
        )
        shown = await alice.json(
            "sell",
            BTC,
            "1",
            "20500",
            "--display-amount",
            "0.25",
            "--cl-ord-id",
            "77",
            "--expires-at",
            "2035-01-02T03:04:05Z",
        )
        ids = [entry["order"]["order_id"] for entry in (limit, stop, take, trail, shown)]
        text = await alice("orders")
        assert text.split()[:6] == ["order_id", "contract", "side", "type", "state", "amount"]
        assert [words_of(text, order_id).partition(" ")[2] for order_id in ids] == [
            f"{BTC} buy limit open 0.500 0.200 19,900.0 19,900.0 post-only desk 1",
            f"{BTC} buy stop_market untriggered 0.100 0.000 market mark >= 20,500.0",
            f"{BTC} buy take_limit untriggered 0.100 0.000 19,800.5 last <= 19,850.0",
            f"{ETH} sell trailing_stop untriggered 2.00 0.00 market index <= highest - 12.35",
            f"{BTC} sell limit open 1.000 0.000 20,500.0 shows 0.250, until 2035-01-02 03:04:05 UTC, cl_ord_id 77",
        ]
        assert [len(await alice.json("orders", name)) for name in (BTC, ETH)] == [4, 1]
        trades = await alice("trades", BTC)
        assert f"{BTC} buy 0.200 19,900.0" in " ".join(trades.split()) and " maker " in trades and " USDC " in trades
        position = " ".join((await alice("positions")).splitlines()[-1].split())
        assert position.startswith(f"{BTC} long 0.200 19,900.0 ")
        assert "available funds" in await alice("account")

    on_a_venue(tmp_path, story)


def test_the_flags_of_the_protocol_do_what_they_say(tmp_path):
    async def story(alice, bob):
        assert "valid_until" in await alice.refused("buy", BTC, "1", "19900", "--valid-until", "2026-01-01T00:00:00Z")
        ahead = await alice.json("buy", BTC, "1", "19900", "--valid-until", "2090-01-01T00:00:00+08:00")
        assert ahead["order"]["order_state"] == "open"
        edited = await alice.json("edit", ahead["order"]["order_id"], "0.5", "19800", "--forfeit-priority")
        assert (edited["order"]["amount"], edited["order"]["price"]) == (0.5, 19800)
        whole = await alice.json("buy", BTC, "1", "19700", "--expires-at", "2051222400000")
        assert whole["order"]["expires_at"] == 2051222400000
        numbered = await alice.json("buy", BTC, "1", "19600", "--cl-ord-id", "5")
        assert (await alice.json("cancel", "--cl-ord-id", "5"))["order_id"] == numbered["order"]["order_id"]
        await alice("buy", BTC, "1", "19600", "--label", "mine")
        await alice("sell", BTC, "1", "20400")
        assert await alice("cancel-all", "--label", "mine") == "1 order cancelled\n"
        assert await alice("cancel-all", BTC, "--side", "sell") == "1 order cancelled\n"
        assert await alice("cancel-all") == "2 orders cancelled\n"
        assert await alice("orders") == "no orders\n"
        await bob("sell", BTC, "1", "20000")
        await alice("buy", BTC, "0.4", "20000")
        await bob("buy", BTC, "1", "19990")
        closed = await alice("close", BTC)
        assert "reduce-only" in closed and "filled" in closed
        assert await alice("positions") == "no positions\n"

    on_a_venue(tmp_path, story)


def test_an_order_of_unusual_value_is_confirmed_by_a_flag(tmp_path):
    async def story(alice, _):
        order = ["buy", BTC, "10", "19900"]
        assert "CONFIRMATION_NEEDED" in await alice.refused(*order)
        assert "open" in await alice(*order, "--confirm")

    on_a_venue(tmp_path, story, confirm_value=100_000)


def test_stp_says_whose_order_goes(tmp_path):
    """A taker that meets its own group's order ends itself, as the flag asks, and the order at the book stays."""
    config = config_of(tmp_path / "v")
    config.registry.parent.mkdir(parents=True)
    [trader] = set_up(config, ["alice"])
    registry = Registry(config.registry)
    registry.set_attribute(0, AccountAttribute.GROUP, 7, 1, "one owner")
    registry.close()

    async def story():
        async with running(config) as server:
            kept = key_file(tmp_path, trader.key.id, trader.key.secret)
            words = ["--url", f"ws://127.0.0.1:{server.port}", "--secret-file", kept]

            async def order(*more):
                code, said, wrong = await asyncio.to_thread(lionrock, "trade", *more, *words, "--json")
                assert (code, wrong) == (0, "")
                return json.loads(said)["order"]

            await order("buy", BTC, "1", "19900")
            ended = await order("sell", BTC, "1", "19900", "--stp", "cancel_taker")
            assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "self_trade")
            left = await asyncio.to_thread(lionrock, "trade", *words, "orders", "--json")
            assert [entry["order_state"] for entry in json.loads(left[1])] == ["open"]

    play(story())


def test_disclosures_are_read_about_and_acknowledged(tmp_path):
    async def story(alice, _):
        assert "you may open positions" in await alice("admission", BTC)
        said = await alice("acknowledge", "product", "1")
        assert said == "the product disclosure is acknowledged in version 1\n"
        assert "version: 9 is not the version in force, which is 1" in await alice.refused("acknowledge", "loss", "9")

    on_a_venue(tmp_path, story)


def test_options_stand_before_or_after_the_action_and_the_later_ones_win(monkeypatch):
    parse = cli._parser("trade").parse_args
    before = parse(["trade", "--url", "ws://a:1", "--key", "k", "--json", "orders"])
    after = parse(["trade", "orders", "--url", "ws://a:1", "--key", "k", "--json"])
    assert vars(before) == vars(after)
    assert (after.url, after.key, after.json) == ("ws://a:1", "k", True)
    both = parse(["trade", "--url", "ws://a:1", "orders", "--url", "ws://b:2"])
    assert (both.url, both.json) == ("ws://b:2", False)
    for action in ACTIONS:
        code, said, _ = lionrock("trade", action, "--help")
        assert code == 0 and f"example: lionrock trade {action}" in said and "--secret-file" in said


def credentials(*words):
    client = client_of(cli._parser("trade").parse_args(["trade", *words, "orders"]))
    return client.key_id, client._secret


def test_a_secret_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    alone, both = tmp_path / "secret", tmp_path / "alice.key"
    alone.write_text("of a file\n")
    both.write_text(json.dumps([{"id": "kept", "secret": "of a key file", "account": "alice"}]))
    assert credentials("--key", "k", "--secret-file", str(alone)) == ("k", "of a file")
    assert credentials("--secret-file", str(both)) == ("kept", "of a key file")
    assert credentials() == ("", "")
    monkeypatch.setenv("LIONROCK_KEY", "set")
    monkeypatch.setenv("LIONROCK_SECRET_FILE", str(alone))
    assert credentials() == ("set", "of a file")
    monkeypatch.setenv("LIONROCK_SECRET", "set too")
    assert credentials() == ("set", "set too")
    assert credentials("--secret-file", str(both)) == ("kept", "of a key file")


def test_a_terminal_is_asked_for_the_secret(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "typed")
    assert credentials("--key", "k") == ("k", "typed") and asked == ["secret of key k: "]


def test_a_secret_that_others_can_read_is_told(tmp_path, capsys):
    kept = tmp_path / "alice.key"
    kept.write_text('{"id": "k", "secret": "s"}')
    kept.chmod(0o640)
    assert credentials("--secret-file", str(kept)) == ("k", "s")
    told = f"lionrock: {kept}: others can use it (mode 0640); close it: chmod go= {kept}\n"
    assert capsys.readouterr().err == told
    kept.chmod(0o600)
    assert credentials("--secret-file", str(kept)) == ("k", "s")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("kept", "words", "wrong"),
    [
        (None, ["--secret-file", "no"], "--secret-file: no: no such file or directory; name a file"),
        ("", ["--secret-file", "f", "--key", "k"], "--secret-file: f is empty; name the file"),
        ("{}", ["--secret-file", "f"], "--secret-file: f: JSON without id and secret; name a key file"),
        ('{"id": "a", "secret": "s"}', ["--secret-file", "f", "--key", "b"], "--key: b is not the key in f, which is"),
        ("s", ["--secret-file", "f"], "--key: it is missing; give the id of the key"),
        (None, ["--key", "k"], "--secret-file: the secret of key k is missing"),
        (None, ["--key", "k", "--secret", "s"], "--secret: every user of this machine can read the arguments"),
        (None, ["--secret"], "name a file with --secret-file FILE, or set LIONROCK_SECRET"),
        (None, [], "--key: a key and its secret are needed"),
        (None, ["cancel"], "ORDER: give the order's id, or --cl-ord-id"),
        (None, ["cancel", "1", "--cl-ord-id", "2"], "one of them"),
        (None, ["cancel-all", "--side", "buy"], "--side: it needs CONTRACT"),
        (None, ["cancel-all", BTC, "--label", "x"], "--label: it goes for all contracts"),
        (None, ["buy", BTC], "the following arguments are required: AMOUNT; see lionrock trade buy --help"),
        (None, ["buy", BTC, "1", "2", "--expires-at", "2026-12-01T16:00:00"], "is no instant with its zone"),
        (None, ["buy", BTC, "1", "2", "--expires-at", "soon"], "--expires-at: 'soon' is no instant with its zone"),
        (None, ["buy", BTC, "1", "2", "--stp", "never"], "invalid choice: 'never'"),
        (None, ["buy", BTC, "1", "60,000"], "PRICE: '60,000': write it without commas, and decimals with a point"),
        (None, ["buy", BTC, "1", "2", "--display-amount", "1,5"], "--display-amount: '1,5': write it without commas"),
        (None, ["acknowledge", "product", "0"], "'0' is not a whole number from 1 to 1000000"),
        (None, ["cancel", "--cl-ord-id", "x"], "'x' is not a whole number from 1 to"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path, monkeypatch, kept, words, wrong):
    monkeypatch.chdir(tmp_path)
    if kept is not None:
        (tmp_path / "f").write_text(kept)
        (tmp_path / "f").chmod(0o600)
    action = words if words and not words[0].startswith("--") else ["orders", *words]
    code, said, told = lionrock("trade", *action)
    assert (code, said, len(told.splitlines())) == (2, "", 1)
    assert wrong in told and told.startswith("lionrock trade")


ORDER = {
    "order_id": "123456789012345678", "instrument_name": BTC, "direction": "sell", "order_type": "limit",
    "order_state": "open", "price": Decimal(60000), "amount": Decimal("0.5"), "filled_amount": 0, "average_price": 0,
    "time_in_force": "fill_or_kill", "post_only": False, "reduce_only": True, "label": "",
}  # fmt: skip
TABLES = Tables({BTC: Decimals(1, 3)})


def test_on_a_narrow_terminal_each_fact_has_its_line_and_none_is_cut(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    TABLES.orders([ORDER, ORDER])
    text = capsys.readouterr().out
    assert text.count(f"order_id  {ORDER['order_id']}\n") == 2
    assert "terms     reduce-only, fill or kill\n" in text and "label" not in text


def test_a_file_gets_the_whole_table_however_wide(capsys):
    TABLES.orders([ORDER | {"label": "x" * 200}])
    assert "x" * 200 in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"order_type": "stop_limit", "trigger": "mark_price"}, "mark <= 59,000.0"),
        ({"order_type": "take_market", "trigger": "index_price"}, "index >= 59,000.0"),
        ({"order_type": "stop_limit", "trigger": "last_price", "direction": "buy"}, "last >= 59,000.0"),
        ({"order_type": "take_limit", "trigger": "mark_price", "direction": "buy"}, "mark <= 59,000.0"),
        ({"order_type": "stop_market", "trigger": "mark_price", "triggered": True}, "mark <= 59,000.0 (triggered)"),
        ({"order_type": "trailing_stop", "trigger": "mark_price", "trigger_offset": 5, "direction": "buy"},
         "mark >= lowest + 5.0"),
    ],
)  # fmt: skip
def test_a_condition_is_a_comparison_that_points_the_right_way(more, told):
    assert trade_tables._condition(ORDER | {"trigger_price": 59000} | more, Decimals(1, 3)) == told


def test_numbers_are_never_rounded():
    number = trade_tables.number
    assert [number(Decimal(text), 2) for text in ("1234567", "0.5", "0.123456789012345678901", "-3E+3")] == [
        "1,234,567.00", "0.50", "0.123456789012345678901", "-3,000.00",
    ]  # fmt: skip
    assert (number(None, 2), number("market_price", 2), number(7, 0)) == ("", "market_price", "7")


def test_the_help_of_an_action_does_not_leave_the_prompt(monkeypatch, capsys):
    class Venue:
        async def subscribe(self, channel, callback):
            pass

    lines = iter(["buy --help", "buy", "cancel", "quit", "never read"])
    monkeypatch.setattr("builtins.input", lambda mark: next(lines))
    asyncio.run(trade._prompt(Venue(), as_json=False))
    text = capsys.readouterr().out
    assert "--trigger-offset" in text and "are required: CONTRACT, AMOUNT" in text and "ORDER: give the order" in text
    assert list(lines) == ["never read"]


def test_watch_has_the_contracts_decimals(capsys):
    class Book:
        def depth(self, levels):
            return [(Decimal(19900), Decimal("0.25"))], [(Decimal("19900.5"), Decimal(1200))]

    view = watch.View(BTC, Book(), 3, Decimals(1, 3))
    view.ticker = {"last_price": Decimal(19900), "mark_price": Decimal("19900.123"), "open_interest": Decimal("0.5")}
    view.traded([{"timestamp": 1000, "price": Decimal(19900), "amount": Decimal("0.25"), "direction": "buy"}])
    Console(width=120).print(view.render(is_connected=True))
    text = capsys.readouterr().out
    assert "last 19,900.0   mark 19,900.123   index -   funding 8h -   open interest 0.500" in text
    for shown in ("1,200.000 │ 19,900.5 │", "0.250 │ 19,900.0 │", "00:00:01.000 │ 19,900.0 │  0.250 │"):
        assert shown in text


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf"])
def test_a_time_that_cannot_be_watched_is_refused(seconds):
    code, said, told = lionrock("watch", "--seconds", seconds)
    assert (code, said) == (2, "") and f"--seconds {seconds}" in told and "must be 0, for no end, or more" in told


def test_a_closing_in_several_orders_shows_all_of_them_and_what_was_refused(capsys):
    order = {
        "instrument_name": BTC, "direction": "sell", "order_type": "market", "order_state": "filled",
        "time_in_force": "immediate_or_cancel", "amount": Decimal("100"), "filled_amount": Decimal("100"),
        "average_price": Decimal("20000"), "price": Decimal("20000"), "post_only": False, "reduce_only": True,
        "label": "",
    }  # fmt: skip
    orders = [{**order, "order_id": number} for number in ("7001", "7002")]
    answer = {"order": orders[0], "trades": [], "orders": orders, "refused": "CAPACITY"}
    trade._print(argparse.Namespace(action="close"), answer, Tables({BTC: Decimals(1, 3)}))
    said = capsys.readouterr().out
    assert "7001" in said and "7002" in said and "were refused: CAPACITY" in said
    trade._print(argparse.Namespace(action="close"), {"order": orders[0], "trades": []}, Tables({BTC: Decimals(1, 3)}))
    assert "7002" not in capsys.readouterr().out
