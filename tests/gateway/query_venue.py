"""A venue without sockets whose clock is the test's: questions over what really traded, at instants of one's choice."""

import json

from engine.codes import CommandKind
from gateway import clock
from gateway.registry.registry import Intent
from gateway.venue.registry_intents import directive_row
from gateway.wire.command_rows import index_row
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import Origin, SocketlessVenue

START_NS = 1_796_000_400 * 10**9
"""A whole hour: 2026-11-29 17:00 UTC."""
MINUTE_NS = 60 * 10**9
ETH = "ETH_USDC-PERPETUAL"


class Clock:
    """Time that the test sets; every look at it takes a tenth of a millisecond."""

    def __init__(self, now_ns=START_NS):
        self.now_ns = now_ns

    def __call__(self):
        self.now_ns += 100_000
        return self.now_ns


class QueryVenue(SocketlessVenue):
    """Two traders, 0 and 1, and requests that are served at once."""

    def __init__(self, folder, monkeypatch):
        self.clock = Clock()
        monkeypatch.setattr(clock, "wall_ns", self.clock)
        monkeypatch.setattr(clock, "steady_ns", self.clock)
        super().__init__(folder)

    def actions(self, who, method, **params):
        """What a session makes of a request; nothing is carried out."""
        return self.sessions[who].receive(request(1, method, **params), self.clock())

    def ask(self, who, method, **params):
        """The answer to a request, with all that it asked for done."""
        origin = Origin(self.sequencer, self.sessions[who])
        origin.act(self.actions(who, method, **params))
        self.sequencer.settle()
        while not origin.frames:
            self.sequencer.keep_time()
        [frame] = origin.frames
        return json.loads(frame)

    def result(self, who, method, **params):
        """The result of a request that is served."""
        answer = self.ask(who, method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def trade(self, amount, price, name=BTC, buyer=0, seller=1, **taker):
        """A trade: the seller's order rests, the buyer takes it."""
        self.result(seller, "private/sell", instrument_name=name, amount=amount, price=price)
        return self.result(buyer, "private/buy", instrument_name=name, amount=amount, price=price, **taker)

    def pass_time(self, until_ns):
        """Let time go on: the index stays where it is, and the engine does what is due at the end of it."""
        self.clock.now_ns = until_ns
        for slot in (0, 1):
            contract = self.venue.projection.contract_at(slot)
            price = contract.price_ticks(b"20000" if slot == 0 else b"1000") * 1000
            for source in range(3):
                self.sequencer.submit(index_row(slot, source, price, self.clock()), None, None)
        self.sequencer.settle()

    def set_parameter(self, code, value, slot=0):
        """Change a rule of a contract."""
        intent = Intent(CommandKind.CONTRACT_SET, int(code), contract_slot=slot, value=value)
        self.sequencer.submit(directive_row(intent), None, None)
        self.sequencer.settle()
