"""nautilus_trader 1.231.0, its Rust-backed LiveNode: trades, stops, starts again and finds what it had."""

from tests.gateway.live import play
from tests.gateway.peers.peer import peer, quote, script
from tests.gateway.peers.table import check

FEE = 2.01
"""Taker fee of 0.2 at 20,100 and 0.05 %, in USDC."""


def test_a_node_trades_stops_and_reconciles(tmp_path, python_peer):
    python = python_peer("nautilus", (3, 12))
    play(_story(tmp_path, python), 300)


async def _story(folder, python):
    async with peer(folder) as venue:
        await quote(venue.maker)
        first = await venue.run(python, script("nautilus_node.py"), "trade")
        by_kind = {fact["kind"]: fact for fact in first}
        assert {"OrderAccepted", "OrderFilled", "heard"} <= set(by_kind)
        assert by_kind["OrderFilled"]["price"] == "20100.0" and by_kind["OrderFilled"]["quantity"] == "0.200"
        assert float(by_kind["OrderFilled"]["fee"].split(" ")[0]) == FEE
        second = await venue.run(python, script("nautilus_node.py"), "again")
        found = [fact for fact in second if fact["kind"] == "order"]
        resting, filled = sorted(found, key=lambda fact: fact["filled"])
        assert (resting["status"], resting["filled"]) == ("ACCEPTED", "0.000")
        assert (filled["status"], filled["filled"], filled["average"]) == ("FILLED", "0.200", 20_100)
        assert filled["fees"] == {"USDC": FEE}
        [position] = [fact for fact in second if fact["kind"] == "position"]
        assert (position["side"], position["quantity"], position["average"]) == ("LONG", "0.200", 20_100)
        ended = {fact["kind"]: fact for fact in second}
        assert ended["OrderCanceled"]["id"] == resting["id"]
        assert ended["OrderFilled"]["price"] == "19900.0"
        state = await venue.maker.call("private/get_positions")
        assert state == []
        check("nautilus", venue.calls)
