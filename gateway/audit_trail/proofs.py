"""Proofs of one account's day: with its export and the seals' public key an outsider needs no journal.

A proof has the seal, the leaves of the account, of its client, of what is venue-wide and of what is vouched for, and
the way of each up to the seal's root. For an account or a client without records that day: its neighbours, which stand
next to each other.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.codes import AccountAttribute, CommandKind
from gateway.audit_trail.columns import Record
from gateway.audit_trail.day_tree import (
    SETTLED_NS,
    VENUE_WIDE,
    VOUCHED,
    Leaf,
    bytes_of,
    days_of,
    owner_of,
    owner_of_client,
    trees_of,
)
from gateway.audit_trail.journal_follower import survey
from gateway.audit_trail.merkle_tree import HASH_BYTES, RunningRoot, is_included, path_of
from gateway.audit_trail.record_counts import COUNT
from gateway.audit_trail.records import Progress, Scope
from gateway.audit_trail.seals import NotSealedError, Seal, SealError, check_same, check_signature, facts_of, seals_in
from gateway.wire.civil_dates import lapse_ns, start_ns

FORMAT = "lionrock proof 1"
_NOT_LEAVES = ("begin", "end", "gateway", COUNT)


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leaf, where it stands in the day's tree, and the hashes beside its way up, lowest first, in hexadecimal."""

    account: int
    count: int
    root: str
    index: int
    path: list[str]

    def leaf(self) -> Leaf:
        """The leaf. SealError when its root is no hash."""
        return Leaf(self.account, self.count, _hash(self.root))


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one account's day is held against."""

    format: str
    account: int
    client: int  # whose the account is, 0 where none is bound
    leaves: list[Place]
    seal: Seal

    @property
    def day(self) -> date:
        """The day."""
        return date.fromisoformat(self.seal.facts.day)

    @property
    def owners(self) -> list[int]:
        """What may have records that day or none: the account, and its client."""
        return [self.account, *([owner_of_client(self.client)] if self.client > 0 else [])]


def _hash(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise SealError(f"{text[:70]!r} is no hash of {HASH_BYTES} bytes in hexadecimal")
    return found


# --- making -------------------------------------------------------------------------------------------------------


def prove(journal: Path, folder: Path, account: int, day: date, progress: Progress) -> Proof:
    """The proof of an account's day from its seal and the journal. SealError when they do not agree."""
    known = seals_in(folder)
    if day not in known:
        raise SealError(f"--day {day}: it has no seal in {folder}; lionrock audit seal makes one when the day is over")
    days = days_of(journal, lapse_ns(day) + SETTLED_NS)
    ended = [item for item in days.ended if item.day == day]
    if not ended:
        raise NotSealedError(f"--day {day}: the journal does not reach the end of that day; it was cut")
    [(end, tree)] = trees_of(journal, ended, progress)
    check_same(known[day].facts, facts_of(days.venue, end, tree, known))
    client = Scope(account).of_owner(survey(journal, _nothing).root).client
    return proof_of(tree.leaves(), account, client, known[day])


def _nothing(commands: Any, events: Any) -> list[int]:
    return []


def proof_of(leaves: list[Leaf], account: int, client: int, seal: Seal) -> Proof:
    """The proof of the day of an account of a client from the leaves of the day and its seal."""
    proof = Proof(FORMAT, account, client, [], seal)
    encoded = [leaf.encode() for leaf in leaves]
    places = {leaf.account: index for index, leaf in enumerate(leaves)}
    wanted = {places[VOUCHED], places[VENUE_WIDE]}
    for owner in proof.owners:
        if owner in places:
            wanted.add(places[owner])
        else:
            after = next((index for index, leaf in enumerate(leaves) if leaf.account > owner), len(leaves))
            wanted |= {after - 1, after} & set(places.values())
    found = [_place(leaves[at], at, path_of(encoded, at)) for at in sorted(wanted)]
    return msgspec.structs.replace(proof, leaves=found)


def _place(leaf: Leaf, index: int, path: list[bytes]) -> Place:
    return Place(leaf.account, leaf.count, leaf.root.hex(), index, [beside.hex() for beside in path])


def read_proof(path: Path) -> Proof:
    """The proof in a file; nothing of it is checked."""
    try:
        proof = msgspec.json.decode(path.read_bytes(), type=Proof)
        proof.day  # noqa: B018
    except (msgspec.DecodeError, ValueError) as error:
        raise SealError(f"{path}: it is no proof: {error}") from None
    return proof


# --- checking -----------------------------------------------------------------------------------------------------


class ProofCheck:
    """Holds the records of an export against a proof, one by one."""

    def __init__(self, proof: Proof, key: Ed25519PublicKey) -> None:
        """SealError when the proof itself does not hold."""
        if proof.format != FORMAT:
            raise SealError(f"the proof is of the format {proof.format[:40]!r}; this release reads {FORMAT!r}")
        check_signature(proof.seal, key)
        self._account, self._day, self._last_seq = proof.account, proof.day, proof.seal.facts.last_seq
        self._client = proof.client
        self._from_ns, self._to_ns = start_ns(proof.day), lapse_ns(proof.day)
        self._leaves = _proved_leaves(proof)
        self._found = {owner: RunningRoot() for owner in (VOUCHED, VENUE_WIDE, *proof.owners)}

    def check_scope(self, scope: Scope, last_seq: int) -> None:
        """SealError unless an export of this scope, up to this sequence, should have the whole day of the account."""
        if scope.account_slot not in (VENUE_WIDE, self._account):
            raise SealError(f"the export is of account {scope.account_slot}, the proof of account {self._account}")
        if scope.account_slot >= 0 and scope.client != self._client:
            raise SealError(
                f"the export says that the account is of client {scope.client}, the proof of client {self._client}; "
                "make both again if it was bound meanwhile"
            )
        if scope.from_ns > self._from_ns or scope.to_ns < self._to_ns or last_seq < self._last_seq:
            raise SealError(
                f"the export does not cover the whole of {self._day} in Hong Kong, so it proves nothing of it"
            )
        if scope.account_slot >= 0:
            del self._found[VOUCHED]

    def add(self, record: Record) -> None:
        """The next record of the export, without its hash. SealError when it makes the account another client's."""
        if self._binds_another(record):
            raise SealError(f"record {record.get('number')} makes the account another client's than the proof says")
        if record.get("record") in _NOT_LEAVES or not self._from_ns <= record.get("time_ns", -1) < self._to_ns:
            return
        running = self._found.get(owner_of(record))
        if running is not None and not _is_index(record):
            running.add(bytes_of(record))

    def _binds_another(self, record: Record) -> bool:
        bound = record.get("account_slot") == self._account and record.get("code") == AccountAttribute.CLIENT.name
        changed = record.get("command") == CommandKind.ACCOUNT_SET.name and record.get("outcome") == "changed"
        return bound and changed and record.get("new_value") != self._client

    def finish(self) -> str:
        """What is proved. SealError when the export's records are not those that were sealed."""
        for owner, running in sorted(self._found.items(), reverse=True):
            leaf = self._leaves.get(owner)
            count, root = (leaf.count, leaf.root) if leaf is not None else (0, RunningRoot().root())
            whose = {VOUCHED: "what the log vouches for", VENUE_WIDE: "the venue as a whole"}
            name = whose.get(owner, f"account {owner}" if owner >= 0 else f"client {VOUCHED - owner}")
            if running.count != count:
                raise SealError(
                    f"{self._day} of {name}: {count:,} records were sealed, {running.count:,} are in the export"
                )
            if running.root() != root:
                raise SealError(
                    f"{self._day} of {name}: one of the {count:,} records in the export, or their order, is not what "
                    "was sealed"
                )
        count = self._found[self._account].count
        what = f"all {count:,} records" if count else "no record at all"
        return f"{self._day}: {what} of account {self._account}, nothing left out or changed since the day was sealed"


def _is_index(record: Record) -> bool:
    """Whether a record is an index price that was taken, which is in an export only on demand, and never sealed."""
    is_price = record.get("command") == "INDEX_PRICE" and record.get("record") == "directive"
    return is_price and record.get("outcome") != "refused"


def _proved_leaves(proof: Proof) -> dict[int, Leaf]:
    """The leaves that stand in the sealed tree; of an account that has none, its neighbours show that."""
    size, root = proof.seal.facts.leaves, bytes.fromhex(proof.seal.facts.root)
    found: dict[int, Leaf] = {}
    indices: dict[int, int] = {}
    for place in proof.leaves:
        leaf = place.leaf()
        if not is_included(leaf.encode(), place.index, size, [_hash(text) for text in place.path], root):
            raise SealError(f"the proof's leaf {place.index} does not lead to the root of the seal of {proof.day}")
        found[leaf.account], indices[leaf.account] = leaf, place.index
    if VENUE_WIDE not in found or VOUCHED not in found:
        raise SealError("the proof lacks the leaf of the venue as a whole or of what is vouched for")
    for owner in proof.owners:
        if owner not in found and not _is_absent(owner, indices, size):
            whose = f"account {owner}" if owner == proof.account else f"client {proof.client}"
            raise SealError(f"the proof has neither the leaf of {whose} nor two neighbours around its place")
    return found


def _is_absent(account: int, indices: dict[int, int], size: int) -> bool:
    """Whether leaves next to each other leave no place between them, or it is before the first or after the last."""
    below, above = [other for other in indices if other < account], [other for other in indices if other > account]
    before = indices[max(below)] if below else -1
    return (indices[min(above)] if above else size) == before + 1


def check_proofs(records: Iterable[Record], checks: Iterable[ProofCheck]) -> list[str]:
    """What proofs show of an export's records."""
    checking = list(checks)
    for record in records:
        for item in checking:
            item.add(record)
    return [item.finish() for item in checking]
