"""What happened at the gateway since the last batch of its log: refusals, logins and officers' reads.

The same thing again is counted, not listed again. A batch lists at most LISTED different things; what is beyond that is
counted by method and reason alone, so that a flood of refusals takes no memory and fills no disk. Kept are the key's
number, its account and person, the method and the reason by its code; never a secret, a signature, or what was sent.
"""

from typing import NamedTuple

from engine.codes import NIL
from gateway.audit_trail.columns import Record
from gateway.audit_trail.gateway_log import entry
from gateway.registry.registry import Key

LISTED = 200
REFUSED, ACCEPTED, READ = "refused", "accepted", "read"
LOGIN = "login"
"""What the method of a login begins with."""
MAX_METHODS = 500
"""Different methods and reasons in one batch; their names are the venue's own, so there are never more."""
ONCE_NS = 3600 * 1_000_000_000
"""A key that signs each of its calls is noted once in so long."""
ABOUT_CHARS = 80


class Note(NamedTuple):
    """One thing that happened; equal ones are counted together."""

    outcome: str
    method: str
    reason: str = ""
    about: str = ""
    account_slot: int = NIL
    person: int = 0
    key: int = 0


class Notes:
    """The notes of one batch, by what they are: when first, and how often."""

    def __init__(self) -> None:
        self._notes: dict[Note, list[int]] = {}
        self._signed: dict[int, int] = {}

    def add(self, note: Note, now_ns: int) -> None:
        """Note something."""
        found = self._notes.get(note)
        if found is None and len(self._notes) >= LISTED:
            note = Note(note.outcome, note.method, note.reason)
            if len(self._notes) >= LISTED + MAX_METHODS:
                note = Note(note.outcome, "others")
            found = self._notes.get(note)
        if found is None:
            self._notes[note] = [now_ns, 1]
        else:
            found[1] += 1

    def refused(self, key: Key | None, method: str, reason: str, now_ns: int) -> None:
        """A request that the gateway refused."""
        self.add(_of(key, REFUSED, method, reason), now_ns)

    def login(self, key: Key | None, outcome: str, how: str, reason: str, now_ns: int) -> None:
        """A login, accepted or refused; `key` is the one that was named, if it exists."""
        self.add(_of(key, outcome, f"{LOGIN} {how}", reason), now_ns)

    def signed_call(self, key: Key, now_ns: int) -> None:
        """A call that was signed by itself, without a login."""
        if now_ns - self._signed.get(key.number, -ONCE_NS) >= ONCE_NS:
            self._signed[key.number] = now_ns
            self.login(key, ACCEPTED, "signed call", "", now_ns)

    def read(self, key: Key | None, method: str, about: str, now_ns: int) -> None:
        """Something that an officer looked at; what does not print stands as a question mark, so a line stays one."""
        plain = "".join(letter if letter.isprintable() else "?" for letter in about[:ABOUT_CHARS])
        self.add(_of(key, READ, method, "")._replace(about=plain), now_ns)

    def take(self) -> list[Record]:
        """The records of the batch, oldest first, which begins anew."""
        notes, self._notes = self._notes, {}
        return [
            entry(note.method, time_ns=first_ns, count=count, **_fields(note))
            for note, (first_ns, count) in sorted(notes.items(), key=lambda item: item[1][0])
        ]


def _of(key: Key | None, outcome: str, method: str, reason: str) -> Note:
    if key is None:
        return Note(outcome, method, reason)
    return Note(outcome, method, reason, "", key.account_slot, key.person, key.number)


def _fields(note: Note) -> dict[str, object]:
    fields: dict[str, object] = {"outcome": note.outcome, "reason": note.reason, "about": note.about}
    if note.key:
        fields |= {"account_slot": note.account_slot, "person": note.person, "key": note.key}
    return fields
