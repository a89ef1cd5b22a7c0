"""A websocket without a socket between the real client and the real server side, which can be cut between messages."""

import asyncio
from collections import deque
from types import SimpleNamespace

import picows

from gateway import clock
from gateway.net.connections import Connections
from gateway.net.websocket_connection import WebsocketConnection
from gateway.sessions.session import Session
from tests.gateway.socketless_venue import frame_at

TEXT = picows.WSMsgType.TEXT


class Turns:
    """The end of a turn is the link's to say."""

    is_holding = False

    def touch(self):
        pass

    def guard(self, connection, call, *args):
        call(*args)


class Frame:
    """A whole text message as the websocket library shows it."""

    fin, rsv1, rsv2, rsv3 = True, False, False, False
    msg_type = TEXT

    def __init__(self, payload):
        self._payload = payload

    def get_payload_as_bytes(self):
        return self._payload


class ServerSocket:
    """The server's side of a socket: what is written becomes messages for the client."""

    def __init__(self, link):
        self._link = link

    def set_write_buffer_limits(self, high):
        pass

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self._link.is_cut

    def write(self, data):
        at = 0
        while frame := frame_at(data, at):
            at, _, _, payload = frame
            self._link.down.append(bytes(payload))

    def close(self):
        self._link.cut()

    abort = close


class Link:
    """One connection, and the transport that its client sees."""

    def __init__(self, network, listener):
        self.is_cut = False
        self.up, self.down = deque(), deque()
        self._network = network
        self._listener, self.client = listener, listener._client
        venue = network.venue.venue
        session = Session(venue.context, venue.projection, False, "test", clock.steady_ns())
        self.connection = WebsocketConnection(venue, Turns(), network.connections, session)
        self.connection.on_ws_connected(SimpleNamespace(underlying_transport=ServerSocket(self)))

    @property
    def is_disconnected(self):
        return self.is_cut

    def send(self, kind, data):
        self.up.append(data)

    def send_close(self, code):
        pass

    def disconnect(self):
        self.cut()

    def cut(self):
        """Both sides lose the connection; what was under way is lost."""
        if not self.is_cut:
            self.is_cut = True
            self.up.clear()
            self.down.clear()
            self._network.links.remove(self)
            self.connection.on_ws_disconnected(None)
            self._listener.on_ws_disconnected(self)

    def pump(self):
        """Carry what was sent, one message after the other."""
        moved = False
        for queue, take in ((self.up, self._at_server), (self.down, self._at_client)):
            while queue and not self.is_cut:
                if self._network.cuts(self.client):
                    self.cut()
                    return True
                take(queue.popleft())
                moved = True
        return moved

    def _at_server(self, message):
        self.connection.receive(message, False)

    def _at_client(self, message):
        self._listener.on_ws_frame(self, Frame(message))


class Network:
    """All connections to a venue without sockets."""

    def __init__(self, venue, monkeypatch):
        self.venue = venue
        self.links = []
        self.connections = Connections(1000)
        self.carried = 0
        self._victim, self._cut_at = None, None
        monkeypatch.setattr("picows.ws_connect", self._connect)
        monkeypatch.setattr("gateway.client.client.RECONNECT_SECONDS", (0.0,))

    async def _connect(self, factory, url, **options):
        listener = factory()
        link = Link(self, listener)
        self.links.append(link)
        return link, listener

    def attack(self, victim, cut_at):
        """Count a client's messages from 1, and cut its connection before those of which `cut_at` says so."""
        self._victim, self._cut_at, self.carried = victim, cut_at, 0

    def cuts(self, client):
        """Whether to cut a client's connection before its next message."""
        if client is not self._victim:
            return False
        self.carried += 1
        return self._cut_at(self.carried)

    def turn(self):
        """One turn of the venue and the network; whether anything was carried."""
        self.venue.sequencer.close_turn()
        self.venue.venue.engine.commit()
        self.venue.sequencer.release()
        return sum(link.pump() for link in list(self.links)) > 0

    async def rest(self, clients):
        """Until nothing is under way and every client is connected."""
        async with asyncio.timeout(60):
            quiet = 0
            while quiet < 4:
                moved = self.turn()
                await asyncio.sleep(0)
                waits = any(not client.is_connected.is_set() for client in clients)
                quiet = 0 if moved or waits else quiet + 1
