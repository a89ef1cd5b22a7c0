"""A venue without sockets, where bytes come in by the compiled reader; and frames as plainly as they can be read."""

import json
import re

from bench.gateway_load import client_frame
from engine import disk
from engine.codes import CommandKind, VenueParameter
from gateway import clock
from gateway.net.fair_reads import FairReads
from gateway.net.websocket_input import WebsocketInput, hand_over
from gateway.office.listings import VENUE_SETTINGS
from gateway.plain_orders.compiled_path import ROWS, CompiledPath
from gateway.plain_orders.frame_finder import INCOMPLETE, TEXT
from gateway.registry.registry import Intent, Registry
from gateway.sessions.actions import Submit
from gateway.sessions.session import Session
from gateway.venue.venue import Venue
from gateway.wire.command_rows import ROW_BYTES, index_row
from tests.gateway.live import BTC, config_of, request, set_up

INDEX = 20_000
S = 1_000_000_000
FIRST_TICK_NS = S // 1000
"""So that the first prices are there at once: nobody waits for them by the clock."""


class Origin:
    """A connection that keeps what it is told."""

    def __init__(self, sequencer, session):
        self.sequencer = sequencer
        self.session = session
        self.frames = []
        self.parts = None
        self.is_refused = self.is_held = False
        self.read_on = None

    def hold(self):
        pass

    def let_others_read(self):
        pass

    def act(self, actions):
        for action in actions:
            if isinstance(action, Submit):
                self.sequencer.submit(action.rows, self, action.pending)
            else:
                self.sequencer.stage_in_turn(self, action.data)

    def stage(self, frame):
        self.frames.append(frame)

    def answer(self, data):
        self.frames.append(data)

    def take_staged(self):
        return b""

    def write(self, data):
        pass


class Library:
    """In place of the websocket library and what a connection does with its frames: keeps what it is given."""

    def __init__(self, origin):
        self.given = bytearray()
        self.frames = []
        self.touched = 0
        self._origin = origin
        self._done = 0
        self._buffer = bytearray(100)

    def get_buffer(self, size):
        return memoryview(self._buffer)[: max(1, size)]

    def buffer_updated(self, size):
        self.touched += 1
        self.given += self._buffer[:size]
        while (frame := frame_at(self.given, self._done)) and not self._origin.is_refused:
            self._done, *kept = frame
            self.frames.append(tuple(kept))
            self._take(*kept)

    def _take(self, first, is_masked, payload):
        opcode, origin = first & 15, self._origin
        begins, goes_on = opcode in (1, 2), opcode == 0
        if not is_masked or first & 0x70 or (begins and origin.parts is not None) or (goes_on and origin.parts is None):
            origin.is_refused = True
        elif begins and not first & 0x80:
            origin.parts = payload
        elif goes_on:
            origin.parts = None if first & 0x80 else origin.parts + payload


def frame_at(data, at):
    """A whole frame of RFC 6455 as plainly as it can be read: (its end, first byte, is masked, payload)."""
    if len(data) < at + 2:
        return None
    size, head = data[at + 1] & 127, 2
    if size > 125:
        head = 4 if size == 126 else 10
        size = int.from_bytes(data[at + 2 : at + head])
    is_masked = data[at + 1] > 127
    first = at + head + 4 * is_masked
    if len(data) < max(first + size, at + head):
        return None
    key = data[first - 4 : first] if is_masked else bytes(4)
    payload = bytes(char ^ key[index % 4] for index, char in enumerate(data[first : first + size]))
    return first + size, data[at], is_masked, payload


def keep_index(config):
    """Let the index never get stale: nobody repeats it here, however slow the machine is."""
    registry = Registry(config.registry)
    set_interval(registry, VenueParameter.INDEX_STALE_NS, 3600 * S)
    registry.close()


def set_interval(registry, parameter, value_ns):
    """Change one of the venue's intervals."""
    registry.add_intents([Intent(CommandKind.VENUE_SET, int(parameter), value=value_ns)], clock.wall_ns())


class SocketlessVenue:
    """A venue with traders and a price, without sockets."""

    reads = FairReads(lambda call: None, lambda reader, call: call())

    def __init__(self, folder, names=("alice", "bob"), **settings):
        config = config_of(folder / "venue", **settings)
        disk.make_folder(config.registry.parent)
        self.traders = set_up(config, names)
        keep_index(config)
        self.venue = Venue(config)
        self._set_mark_tick(FIRST_TICK_NS)
        self.sequencer = self.venue.sequencer
        for slot, price in ((0, INDEX), (1, 1000)):
            contract = self.venue.projection.contract_at(slot)
            for source in range(3):
                row = index_row(slot, source, contract.price_ticks(b"%d" % price) * 1000, clock.wall_ns())
                self.sequencer.submit(row, None, None)
        self.sequencer.settle()
        while not self.venue.projection.ticker(1).mark_subticks:
            self.sequencer.keep_time()
        self._set_mark_tick(dict(VENUE_SETTINGS)[VenueParameter.MARK_TICK_NS])
        self.sessions = [self._session(trader.key) for trader in self.traders]

    def _set_mark_tick(self, value_ns):
        set_interval(self.venue.registry, VenueParameter.MARK_TICK_NS, value_ns)
        self.venue.submit_intents()

    def _session(self, key):
        session = Session(self.venue.context, self.venue.projection, False, "test", clock.steady_ns())
        params = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": key.secret}
        session.receive(request(0, "public/auth", **params), clock.steady_ns())
        assert session.is_trader
        return session

    def read(self, message, session=None):
        """What the compiled path makes of one message, not sequenced: its rows, None when it is left to the session."""
        compiled_path: CompiledPath = self.sequencer.compiled_path
        frame = client_frame(message)
        compiled_path.buffer[: len(frame)] = frame
        stop = compiled_path.read(session or self.sessions[0], (0, 1), (0, len(frame)), clock.wall_ns())
        rows = bytearray(self.sequencer._bytes[: compiled_path.numbers[ROWS] * ROW_BYTES])
        compiled_path.clear()
        assert (stop == INCOMPLETE) == bool(rows) and stop in (INCOMPLETE, TEXT)
        if stop == TEXT:
            assert compiled_path.text() == message
        for first in range(0, len(rows), ROW_BYTES):
            rows[first : first + 16] = bytes(16)
        return bytes(rows) or None

    # --- the same through a reader ----------------------------------------------------------------------------------

    def touch(self):
        """The end of a turn is ours to say."""

    def settle(self):
        self.sequencer.settle()

    def reader(self, who=0):
        """A connection without a socket: (its reader, what is sent back, what the library gets)."""
        origin = Origin(self.sequencer, self.sessions[who])
        library = Library(origin)
        return WebsocketInput(self.venue, self, origin, library), origin, library

    def feed(self, stream, size, who=0):
        """A turn of a connection whose bytes come in pieces of a size: the same three."""
        reader, origin, library = self.reader(who)
        for first in range(0, len(stream), size):
            piece = stream[first : first + size]
            hand_over(reader, piece)
        self.settle()
        return reader, origin, library

    def send(self, messages, who=0):
        """One turn of one connection: every frame and answer that came back."""
        reader, origin, library = self.reader(who)
        reader.take(b"".join(map(client_frame, messages)))
        self.sequencer.settle()
        assert not library.given
        return b"".join(origin.frames)


def buy(number=1, method="private/buy", **params):
    return request(number, method, **{"instrument_name": BTC, "amount": 0.01, "price": 19_000, **params})


def replies_of(frames):
    return [json.loads(part) for part in re.findall(rb'\{"jsonrpc".*?"testnet":(?:true|false)\}', frames)]


def bare(number, **params):
    """A small order, far from the others."""
    return buy(number, price=18_000, **params)


def taken(frames):
    return [reply["id"] for reply in replies_of(frames) if "result" in reply]
