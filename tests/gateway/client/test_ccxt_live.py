"""Unmodified ccxt.pro bots trade with each other on a real server over real sockets; only URLs and keys are set."""

import asyncio
from contextlib import asynccontextmanager

import ccxt
import ccxt.pro
import pytest

from gateway import clock
from gateway.config import Config
from gateway.net.server import Server
from gateway.office.bootstrap import list_contracts, open_trader, set_up_venue
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault

SYMBOL = "BTC/USDC:USDC"
MILLION_MICROS = 10**12
WAIT_S = 20


def clients(port, deribit_key, coinbase_key):
    """Both classes with documented settings only."""
    rest, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/ws/api/v2"
    of_usdc = {"options": {"code": "USDC"}}  # without it the class asks for the open orders of BTC alone
    deribit_urls = {"urls": {"api": {"rest": rest, "ws": ws}}}
    deribit = ccxt.pro.deribit({"apiKey": deribit_key.id, "secret": deribit_key.secret, **deribit_urls, **of_usdc})
    urls = {"api": {"rest": f"{rest}/api/v2", "ws": ws, "wsPrivate": ws}}
    coinbase = ccxt.pro.coinbaseinternational({"apiKey": coinbase_key.id, "secret": coinbase_key.secret, "urls": urls})
    for client in (deribit, coinbase):
        client.enableRateLimit = False
    return deribit, coinbase


@asynccontextmanager
async def market(folder):
    """A server with an index that moves, and one trader of each class."""
    index = "BTC_USDC-PERPETUAL=20000,ETH_USDC-PERPETUAL=1000"
    config = Config(data=str(folder), port=0, durability="fsync", scripted_index=index)
    registry, now_ns = Registry(config.registry), clock.wall_ns()
    vault = Vault(config.vault, registry)
    set_up_venue(registry, now_ns, 10 * MILLION_MICROS)
    list_contracts(registry, now_ns)
    alice = open_trader(registry, vault, "alice", MILLION_MICROS, now_ns)
    bob = open_trader(registry, vault, "bob", MILLION_MICROS, now_ns, "ed25519")
    registry.close()
    server = Server(config)
    await server.start()
    deribit, coinbase = clients(server.port, alice.key, bob.key)
    try:
        await until(lambda: server.venue.projection.contracts() and server.venue.projection.ticker(0).mark_subticks)
        yield server, deribit, coinbase
    finally:
        await deribit.close()
        await coinbase.close()
        await server.stop()


async def until(condition):
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.05)


def run(folder, story):
    """Play a story on a fresh market, with a time limit that no healthy run comes near."""

    async def play():
        async with market(folder) as (server, deribit, coinbase), asyncio.timeout(120):
            await story(server, deribit, coinbase)

    asyncio.run(play())


def best(book):
    return [list(level[:2]) for level in book["bids"]], [list(level[:2]) for level in book["asks"]]


def test_two_bots_trade_with_each_other(tmp_path):
    run(tmp_path, trade_story)


async def trade_story(server, deribit, coinbase):
    assert (await deribit.load_markets())[SYMBOL]["id"] == (await coinbase.load_markets())[SYMBOL]["id"]
    order = await deribit.create_order(SYMBOL, "limit", "buy", 0.5, 19900)
    assert (order["status"], order["remaining"]) == ("open", 0.5)
    for client in (deribit, coinbase):
        assert best(await client.watch_order_book(SYMBOL)) == ([[19900, 0.5]], [])
        assert (await client.watch_ticker(SYMBOL))["bid"] == 19900
        assert total(await client.watch_balance()) == 1_000_000
    watched = [
        asyncio.ensure_future(call)
        for call in (
            deribit.watch_orders(SYMBOL), deribit.watch_my_trades(SYMBOL), deribit.watch_trades(SYMBOL),
            coinbase.watch_orders(SYMBOL), coinbase.watch_my_trades(SYMBOL), coinbase.watch_positions([SYMBOL]),
        )
    ]  # fmt: skip
    await until(lambda: len(subscribed(server)) == 13)
    sold = await coinbase.create_order_ws(SYMBOL, "limit", "sell", 0.2, 19900, {"clientOrderId": "mine"})
    assert (sold["status"], sold["filled"], sold["clientOrderId"]) == ("closed", 0.2, "mine")
    orders, mine, public, other_orders, other_mine, positions = await asyncio.gather(*watched)
    assert (orders[-1]["filled"], mine[-1]["takerOrMaker"], public[-1]["side"]) == (0.2, "maker", "sell")
    assert mine[-1]["id"] == other_mine[-1]["id"] == public[-1]["id"] == sold["trades"][0]["id"]
    assert (other_orders[-1]["status"], positions[-1]["side"]) == ("closed", "short")
    await agree(server, deribit, coinbase, ([[19900, 0.3]], []))
    await amend_and_cancel(server, deribit, coinbase, order["id"])
    await everything_else(deribit, coinbase)


def total(balance):
    """The deribit class nests the stream's balance under its currency once more."""
    amount = balance["USDC"]["total"]
    return amount["USDC"] if isinstance(amount, dict) else amount


def subscribed(server):
    return {name for connection in server.connections.websockets for name in connection.session.channels}


async def agree(server, deribit, coinbase, expected):
    """Both clients' books are the engine's."""
    contract = server.venue.projection.contract_at(0)
    view = server.venue.projection.book(0, 100)
    texts = [
        [[float(contract.price_text(price)), float(contract.amount_text(lots))] for price, lots in side]
        for side in (view.bids, view.asks)
    ]
    assert tuple(texts) == expected
    await until(lambda: all(best(client.orderbooks[SYMBOL]) == expected for client in (deribit, coinbase)))


async def amend_and_cancel(server, deribit, coinbase, order_id):
    edited = await deribit.edit_order(order_id, SYMBOL, "limit", "buy", 0.4, 19901)
    assert (edited["price"], edited["remaining"]) == (19901, 0.2)
    await agree(server, deribit, coinbase, ([[19901, 0.2]], []))
    assert (await deribit.fetch_order(order_id, SYMBOL))["price"] == 19901
    assert (await deribit.cancel_order(order_id, SYMBOL))["status"] == "canceled"
    await agree(server, deribit, coinbase, ([], []))
    with pytest.raises(ccxt.OrderNotFound):
        await deribit.cancel_order(order_id, SYMBOL)


async def everything_else(deribit, coinbase):
    """The other kinds of order, and what can be asked afterwards."""
    post = await deribit.create_order(SYMBOL, "limit", "buy", 0.5, 19800, {"postOnly": True})
    reduce = await deribit.create_order(SYMBOL, "limit", "sell", 0.1, 20100, {"reduceOnly": True})
    stop_params = {"stopLossPrice": 19000, "trigger": "mark_price", "reduceOnly": True}
    stop = await deribit.create_order(SYMBOL, "market", "sell", 0.1, None, stop_params)
    own = await coinbase.create_order_ws(SYMBOL, "market", "buy", 0.1, None, {"triggerPrice": 21000})
    market_order = await coinbase.create_order_ws(SYMBOL, "market", "sell", 0.1)
    assert (post["postOnly"], reduce["status"], stop["status"], own["status"]) == (True, "open", "open", "open")
    assert (market_order["status"], market_order["average"]) == ("closed", 19800)
    open_ids = {order["id"] for order in await deribit.fetch_open_orders(SYMBOL)}
    assert open_ids == {post["id"], reduce["id"], stop["id"]}
    assert {order["id"] for order in await deribit.fetch_open_orders()} == open_ids
    assert [order["id"] for order in await coinbase.fetch_open_orders_ws(SYMBOL)] == [own["id"]]
    edited = await coinbase.edit_order_ws(own["id"], SYMBOL, "market", "buy", 0.2)
    assert (await coinbase.cancel_order_ws(edited["id"], SYMBOL))["status"] == "canceled"
    [long], [short] = await deribit.fetch_positions(), await coinbase.fetch_positions_ws()
    assert (long["contracts"], short["contracts"]) == (0.3, -0.3)
    assert [trade["amount"] for trade in await deribit.fetch_my_trades(SYMBOL)] == [0.2, 0.1]
    assert len(await coinbase.fetch_my_trades_ws(SYMBOL)) == 2
    balance, other = await deribit.fetch_balance(), await coinbase.fetch_balance_ws()
    assert 999_000 < balance["USDC"]["total"] < 1_001_000 and 999_000 < other["USDC"]["total"] < 1_001_000
    assert (await deribit.fetch_ohlcv(SYMBOL, "1m"))[-1][4] == 19800
    assert (await deribit.watch_ohlcv(SYMBOL, "1m"))[-1][4] == 19800
    assert (await deribit.fetch_ticker(SYMBOL))["last"] == 19800
    assert isinstance((await deribit.fetch_funding_rate(SYMBOL))["fundingRate"], float)
    await deribit.cancel_all_orders(SYMBOL)
    await coinbase.cancel_all_orders_ws()
    assert await deribit.fetch_open_orders() == []


def test_refusals_are_the_clients_own_errors(tmp_path):
    run(tmp_path, error_story)


async def error_story(server, deribit, coinbase):
    await deribit.load_markets()
    cases = [
        ((SYMBOL, "limit", "buy", 1e6, 19900), ccxt.BadRequest, "QTY_TOO_LARGE"),
        ((SYMBOL, "limit", "buy", 0.5, 25000), ccxt.InvalidOrder, "PRICE_OUT_OF_BAND"),
        ((SYMBOL, "limit", "sell", 0.5, 20100, {"reduceOnly": True}), ccxt.BadRequest, "REDUCE_ONLY_WOULD_INCREASE"),
        ((SYMBOL, "limit", "buy", 0.5, 19900, {"timeInForce": "FOK"}), ccxt.BadRequest, "FOK_CANNOT_FILL"),
    ]
    for arguments, error, reason in cases:
        with pytest.raises(error, match=reason):
            await deribit.create_order(*arguments)
    with pytest.raises(ccxt.OrderNotFound):
        await deribit.fetch_order("12345", SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match="PRICE_OUT_OF_BAND"):
        await coinbase.create_order_ws(SYMBOL, "limit", "buy", 0.5, 25000)
    deribit.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await deribit.fetch_balance()
