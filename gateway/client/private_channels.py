"""What an account's own channels have said to a client, so that each message comes once, over any lost connection.

No I/O. Every message says the sequence of the last command whose facts are in it. On one connection the raw channels
speak command by command: once one of them has said a sequence, each has said all that came before. So a new connection
subscribes first, which tells from where on its own messages come, and then asks for what lies between. What it hears
meanwhile waits. Messages that belong together are passed on together; a lost connection's incomplete ones are asked for
again. Nothing has to be remembered but one sequence for each channel.
"""

from collections.abc import Callable, Iterable
from typing import Any

_FOLLOWED = frozenset({"orders", "trades", "changes", "notices"})
"""The channels that say facts, each once; `user.portfolio` says a state."""


def is_followed(channel: str) -> bool:
    """Whether a channel's missed messages can be had."""
    owner, *rest = channel.split(".")
    return owner == "user" and rest[:1] != [] and rest[0] in _FOLLOWED


def _is_raw(channel: str) -> bool:
    """Whether it says each command at once; what ends in 100ms or agg2 gathers."""
    return channel == "user.notices" or channel.endswith(".raw")


class PrivateChannels:
    """The channels of one account; `deliver` gets each message once, as (channel, data)."""

    def __init__(self, deliver: Callable[[str, Any], None]) -> None:
        self.latest = 0
        """The last sequence seen on a private channel."""
        self._deliver = deliver
        self._said: dict[str, int] = {}
        self._latest_raw = 0
        self._held: dict[str, list[Any]] = {}
        self._waiting: list[tuple[str, Any, int, bool]] | None = None

    def joined(self, channels: Iterable[str], sequence: int) -> None:
        """The channels are subscribed to and say what comes after this sequence."""
        for channel in channels:
            if is_followed(channel):
                self._said.setdefault(channel, sequence)

    def left(self, channel: str) -> None:
        """A channel is not followed any more: what it still says is nobody's."""
        self._said.pop(channel, None)
        self._held.pop(channel, None)
        if self._waiting:
            self._waiting = [message for message in self._waiting if message[0] != channel]

    def push(self, channel: str, data: Any, sequence: int, more: bool) -> None:
        """A message came; `more`: another one follows that belongs together with it."""
        if self._waiting is not None:
            self._waiting.append((channel, data, sequence, more))
            return
        self.latest = sequence
        if not is_followed(channel):
            self._deliver(channel, data)
            return
        if _is_raw(channel):
            self._latest_raw = max(self._latest_raw, sequence)
        self._take(channel, data, sequence, more)

    def _take(self, channel: str, data: Any, sequence: int, more: bool) -> None:
        held = self._held.setdefault(channel, [])
        held.append(data)
        if not more:
            del self._held[channel]
            self._said[channel] = sequence
            for message in held:
                self._deliver(channel, message)

    # --- a lost connection ----------------------------------------------------------------------------------------

    def lost(self) -> None:
        """The connection is gone; messages of the next one wait until what was missed is there."""
        self._held.clear()
        self._waiting = []
        for channel, said in self._said.items():
            if _is_raw(channel):
                self._said[channel] = max(said, self._latest_raw - 1)
        self._latest_raw = 0

    def missed(self) -> list[tuple[list[str], int]]:
        """What to ask for: (channels, the sequence after which something may be missing)."""
        raw = [channel for channel in self._said if _is_raw(channel)]
        gathered = [([channel], said) for channel, said in self._said.items() if not _is_raw(channel)]
        return [(raw, min(self._said[channel] for channel in raw)), *gathered] if raw else gathered

    def resumed(self, channel: str, data: Any, sequence: int, more: bool) -> None:
        """A message that was asked for; one that was heard before is passed over."""
        if channel in self._said and sequence > self._said[channel]:
            self._take(channel, data, sequence, more)

    def caught_up(self, channels: Iterable[str], sequence: int) -> None:
        """All that these channels said up to this sequence is there, or cannot be had."""
        for channel in channels:
            if channel in self._said:
                self._said[channel] = sequence

    def go_on(self) -> None:
        """Nothing is missing any more: pass on what has waited, and from now on what comes."""
        waiting, self._waiting = self._waiting or [], None
        for message in waiting:
            self.push(*message)
