"""An account's own channels: orders, trades, both with positions, money, and notices. No message is ever left out."""

from engine.code_values import EVENT_REJECTED, EVENT_REPEATED
from engine.codes import EventKind
from gateway.market_data.account_messages import messages, wanted
from gateway.market_data.public_topics import Reader, Topic
from gateway.read_model import render, render_account
from gateway.read_model.projection import Projection
from gateway.wire.channels import Channel
from gateway.wire.currencies import settled_in
from gateway.wire.frames import text_frame
from gateway.wire.jsonrpc_answers import private_push
from gateway.wire.views import Report

_HKT_NS, _DAY_NS = 8 * 3600 * 10**9, 86_400 * 10**9
_WITHOUT_CHANGE = frozenset({EVENT_REJECTED, EVENT_REPEATED})


class UserTopic(Topic):
    """One of an account's own channels.

    Each message says the sequence of the last command whose facts are in it. A raw channel says each command's facts by
    themselves.
    """

    follows_mark = False
    """Whether it is told of mark ticks."""

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self._gathered: list[Report] = []

    def join(self, reader: Reader) -> None:
        self.flush()
        super().join(reader)

    def take(self, reports: list[Report]) -> None:
        """Take the account's facts of one command; a raw channel says them at once."""
        own = wanted(self.channel, self.projection, reports)
        if own:
            self._gathered += own
            self.is_dirty = True
            if self.is_raw:
                self._say_gathered()

    def touched(self, kinds: frozenset[int]) -> None:
        """A batch had events of these kinds for the account."""

    def marked(self) -> None:
        """There was a mark tick since the last message that one brought."""

    def say(self, said: list[bytes], sequence: int) -> None:
        """Send messages that belong together to every reader; nobody is left out."""
        for place, data in enumerate(said, 1):
            frame = text_frame(private_push(self.channel.name, data, sequence, place < len(said)))
            for reader in self.readers:
                reader.stage(frame)

    def flush(self) -> None:
        self._say_gathered()

    def _say_gathered(self) -> None:
        """Say the facts that were taken, and nothing that is as of a later sequence."""
        self.is_dirty = False
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self.say(messages(self.channel, self.projection, gathered), gathered[-1].sequence)


class FollowingTopic(UserTopic):
    """What follows the account's money: a state, said ten times a second while it changes and at each mark tick.

    A mark moves nothing of an account without a position, so that is told of its own events alone.
    """

    follows_mark = True

    def touched(self, kinds: frozenset[int]) -> None:
        self.is_dirty = self.is_dirty or not kinds <= _WITHOUT_CHANGE

    def marked(self) -> None:
        self.is_dirty = self.is_dirty or self.projection.positions.has_any(self.channel.account_slot)

    def send_state(self, reader: Reader) -> None:
        data = self.state()
        if data is not None:
            reader.stage(text_frame(private_push(self.channel.name, data, self.projection.durable_seq)))

    def flush(self) -> None:
        data = self.state() if self.is_dirty else None
        self.is_dirty = False
        if data is not None:
            self.say([data], self.projection.durable_seq)

    def state(self) -> bytes | None:
        """What the channel says now; None for nothing."""
        return None


class PortfolioTopic(FollowingTopic):
    """`user.portfolio`: the account's money."""

    def state(self) -> bytes | None:
        """The account in the channel's currency; None for a currency without an account, whose channel says nothing.

        A client that subscribes to several currencies at once takes the first message as its answer, so that message
        must not be an empty account.
        """
        channel = self.channel
        for contract in self.projection.contracts():
            if settled_in(contract, channel.currency):
                view = self.projection.account(channel.account_slot)
                return render_account.account(contract.settlement, view, self.projection.contracts())
        return None


class PositionsTopic(FollowingTopic):
    """`user.positions`: the account's positions, each time all of the channel; of one contract also when it is flat."""

    def state(self) -> bytes | None:
        channel, projection = self.channel, self.projection
        views = projection.positions.heard(channel.account_slot, channel.contract_slot)
        own = ((projection.contract_at(view.contract_slot), view) for view in views)
        return render.array(render.position(*found) for found in own if settled_in(found[0], channel.currency))


class NoticesTopic(UserTopic):
    """`user.notices`: what is about to lapse (60, 30, 7 and 1 days before), what has lapsed, and margin calls.

    Warnings follow the civil day in Hong Kong: each is sent once for each step that it reaches. They are a state that
    a new reader gets at once; the others are facts of a command.
    """

    is_polled = True

    def __init__(self, channel: Channel, projection: Projection) -> None:
        super().__init__(channel, projection)
        self._warned: set[tuple[int, str, int]] = set()
        self._day = -1

    def send_state(self, reader: Reader) -> None:
        warnings = self.projection.warnings(self.channel.account_slot)
        if len(self.readers) == 1:
            self._warned = {(warning.reason, warning.last_day, warning.step) for warning in warnings}
            self._day = self._today()
        if warnings:
            rows = render.array(render.lapse_warning(warning, self.projection.now_ns) for warning in warnings)
            reader.stage(text_frame(private_push(self.channel.name, rows, self.projection.durable_seq)))

    def _today(self) -> int:
        return (self.projection.now_ns + _HKT_NS) // _DAY_NS

    def touched(self, kinds: frozenset[int]) -> None:
        if EventKind.ACCOUNT_CHANGED in kinds:
            self._day = -1

    def flush(self) -> None:
        super().flush()
        if self._day == self._today():
            return
        self._day = self._today()
        warnings = []
        for warning in self.projection.warnings(self.channel.account_slot):
            step = (warning.reason, warning.last_day, warning.step)
            if step not in self._warned:
                self._warned.add(step)
                warnings.append(render.lapse_warning(warning, self.projection.now_ns))
        if warnings:
            self.say([render.array(warnings)], self.projection.durable_seq)


def make_user_topic(channel: Channel, projection: Projection) -> UserTopic:
    """The topic of one of an account's own channels."""
    if channel.kind == "user.portfolio":
        return PortfolioTopic(channel, projection)
    if channel.kind == "user.positions":
        return PositionsTopic(channel, projection)
    return NoticesTopic(channel, projection) if channel.kind == "user.notices" else UserTopic(channel, projection)
