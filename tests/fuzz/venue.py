"""The venue that requests are given to: the real one without sockets, on a clock that counts what is asked of it."""

import contextlib
import logging
from pathlib import Path
from unittest import mock

from engine.codes import NIL
from gateway import clock
from gateway.registry import authentication
from gateway.registry.registry import KeyOrder
from gateway.sessions.actions import Close, LargeReply, Later, Reply, Submit
from gateway.sessions.session import Session
from tests.fuzz.target import Wrong
from tests.gateway.live import UNLIMITED, request
from tests.gateway.socketless_venue import SocketlessVenue

BEGIN_NS = 1_793_577_600_000_000_000
STEADY_LEAD_NS = BEGIN_NS - 10**15
LOOK_NS = 500
"""How much later each look at the clock is."""
INPUT_NS = 50_000
"""How much later each input comes."""

MOST_TURNS = 10_000


class CountingClock:
    """Time goes on with each look at it, and by no other clock: a round is the same each time."""

    def __init__(self) -> None:
        self.steady_now_ns = 10**15

    def steady_ns(self) -> int:
        """The steady clock."""
        self.steady_now_ns += LOOK_NS
        return self.steady_now_ns

    def wall_ns(self) -> int:
        """The wall clock, which agrees with it."""
        return self.steady_ns() + STEADY_LEAD_NS


class Faults(logging.Handler):
    """What the venue logs as a fault of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.last = f"{record.getMessage()}: {type(error).__name__}: {error}"


class Waiting:
    """Where answers of the sequencer arrive."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def stage(self, frame: bytes) -> None:
        """A push or a row."""

    def answer(self, data: bytes) -> None:
        """An answer."""
        self.frames.append(data)

    def take_staged(self) -> bytes:
        """Nothing is sent."""
        return b""

    def write(self, data: bytes) -> None:
        """Nothing is sent."""


class FuzzedVenue:
    """Three traders, an officer and somebody without a login; a session that is closed is made anew.

    The third trader may do to itself what ends its trading.
    """

    ALICE, BOB, CAROL, OFFICER, ANONYMOUS = range(5)

    def __init__(self, folder: Path, **settings: object) -> None:
        self.clock = CountingClock()
        self._patches = contextlib.ExitStack()
        for name in ("steady_ns", "wall_ns"):
            self._patches.enter_context(mock.patch.object(clock, name, getattr(self.clock, name)))
        self.faults = Faults()
        self._logger = logging.getLogger("lionrock")
        self._before = self._logger.level, self._logger.propagate
        self._logger.addHandler(self.faults)
        self._logger.setLevel(logging.ERROR)
        self._logger.propagate = False
        limits = dict.fromkeys(("queries_per_s", "queries_burst", "anonymous_queries_per_s", "anonymous_queries_burst",
                                "logins_per_s"), UNLIMITED)  # fmt: skip
        settings = {"durability": "none", **limits, **settings}
        self.made = SocketlessVenue(folder, names=("alice", "bob", "carol"), **settings)
        self.venue, self.sequencer = self.made.venue, self.made.sequencer
        registry = self.venue.registry
        key = authentication.new_hmac_key(self.venue.context.authenticator.vault)
        person = registry.person("Ann", clock.wall_ns())
        order = KeyOrder(key.id, NIL, person, "hmac", key.verifier, ("compliance", "admin"), "")
        registry.add_key(order, clock.wall_ns())
        self._keys = [*(trader.key for trader in self.made.traders), key, None]
        self.sessions = [self.new_session(who) for who in range(5)]

    def new_session(self, who: int, binary: bool = False) -> Session:
        """A session of one of them, logged in."""
        session = Session(self.venue.context, self.venue.projection, binary, "test", clock.steady_ns())
        session.serves_officers = True
        key = self._keys[who]
        if key is not None:
            login = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
            actions = session.receive(request(0, "public/auth", **login), clock.steady_ns())
            self.carry_out(actions)
            assert session.key is not None, actions
        return session

    def secret_of(self, who: int) -> tuple[str, str]:
        """(Key, secret) of one of them."""
        return self._keys[who].id, self._keys[who].secret

    def carry_out(self, actions: list) -> list[bytes]:
        """Do what a session asks for, as a connection does: the answers, those of the sequencer included."""
        waiting, answers = Waiting(), waiting_frames(actions)
        queue = list(actions)
        while queue:
            action = queue.pop(0)
            if type(action) is Submit:
                self.sequencer.submit(action.rows, waiting, action.pending)
            elif type(action) is Later:
                self.clock.steady_now_ns += INPUT_NS
                queue += action.go_on(clock.steady_ns())
                answers += waiting_frames(queue)
                queue = [left for left in queue if type(left) is not Reply]
            elif type(action) not in (Reply, Close) and not hasattr(action, "__slots__"):
                raise Wrong(f"an action of type {type(action).__name__}")
        self.settle()
        return answers + waiting.frames

    def settle(self) -> None:
        """Have everything applied, and the work done that is left inside the engine."""
        self.sequencer.settle()
        for _ in range(MOST_TURNS):
            if not self.sequencer.has_work:
                return
            self.sequencer.keep_time()
        raise Wrong("the work inside the engine does not end")

    def close(self) -> None:
        """Close the venue."""
        self.venue.close()
        self._logger.removeHandler(self.faults)
        level, propagates = self._before
        self._logger.setLevel(level)
        self._logger.propagate = propagates
        self._patches.close()


def waiting_frames(actions: list) -> list[bytes]:
    """The answers among actions."""
    return [action.data for action in actions if isinstance(action, Reply | LargeReply)]
