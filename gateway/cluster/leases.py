"""Which standbys a leader has heard lately: the place of each holds the purge up for a lease, also while it is silent.

A standby may be silent for a moment, while it recovers for example. So one that was heard holds the purge up until it
was missed twice in a row, and its lease is over. A leader that has just begun knows of none, and waits for one lease.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from engine import disk
from gateway.cluster.messages import Author, Present

FILE = "standbys.heard"
MISSES = 2
"""A standby that was missed at so many purges in a row is gone, once its lease is over."""


class Heard(msgspec.Struct, frozen=True):
    """A standby: the message behind which it goes on, when it was heard, how often it was missed since."""

    noted_seq: int
    heard_ns: int
    misses: int = 0


class Leases(msgspec.Struct):
    """What a leader knows of standbys, by the node's name. Times are wall time."""

    epoch: int
    since_ns: int
    """When the leader of this epoch began to listen."""
    heard: dict[str, Heard]

    def listen(self, found: Iterable[Present], is_sure: bool, now_ns: int, lease_ns: int) -> None:
        """Take what all standbys have answered. `is_sure`: whether who is missing was really asked, and in time."""
        present: dict[str, int] = {}
        for each in found:
            present[each.node] = min(each.noted_seq, present.get(each.node, each.noted_seq))
        for node, before in list(self.heard.items()):
            if node in present or not is_sure:
                continue
            missed = Heard(before.noted_seq, before.heard_ns, before.misses + 1)
            self.heard[node] = missed
            if missed.misses >= MISSES and now_ns - missed.heard_ns >= lease_ns:
                del self.heard[node]
        for node, noted_seq in present.items():
            self.heard[node] = Heard(noted_seq, now_ns)

    def are_known(self, now_ns: int, lease_ns: int) -> bool:
        """Whether it was listened for long enough to know of each standby that there is."""
        return now_ns - self.since_ns >= lease_ns


def read(data: Path, author: Author, now_ns: int) -> Leases:
    """What a data folder has of this leader's list; a new one where it has none. OSError."""
    path = data / FILE
    if disk.current().is_there(path):
        try:
            found = msgspec.json.decode(disk.read(path), type=Leases)
        except msgspec.DecodeError:
            found = Leases(-1, 0, {})
        if found.epoch == author.epoch and found.since_ns <= now_ns:
            return found
    return Leases(author.epoch, now_ns, {})


def write(data: Path, leases: Leases) -> None:
    """Keep it for the next purge. OSError."""
    disk.write_atomically(data / FILE, [msgspec.json.encode(leases)])
