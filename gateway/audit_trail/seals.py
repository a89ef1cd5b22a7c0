"""Seals: what an outsider can hold a day of the trail against, signed with a key that is not the venue's.

A seal has the root of the day's tree, where the day lies in the journal, and the hash of the seal before, so that no
day can drop out. It is signed with Ed25519 over the text SIGNED and the canonical JSON of its facts.
"""

import base64
import json
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine import disk, host
from gateway.audit_trail.day_tree import VOUCHED, DayEnd, DayTree, JournalDays, days_of, trees_of
from gateway.audit_trail.hash_chain import canonical
from gateway.audit_trail.merkle_tree import root_of
from gateway.audit_trail.records import Progress

FORMAT = "lionrock seal 1"
SIGNED = f"{FORMAT}\n".encode()
"""What the signature covers in front of the facts, so that it is good for nothing else."""


class SealError(ValueError):
    """A seal that cannot be made or does not hold: one line with the remedy."""


class NotSealedError(SealError):
    """The journal, the export or the seals are not what was sealed."""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a seal says of a day. `previous` is the hash of the seal of the day before, empty for the first."""

    format: str
    venue: str  # hash of the journal after its first record: no other venue has it
    day: str
    first_seq: int
    last_seq: int
    log_seq: int  # the last sequence of the journal's record that holds last_seq
    journal: str  # hash of the journal at log_seq
    gateway_records: int  # the gateway's log as the journal vouched for it last
    gateway_log: str
    accounts: int  # how many have records that day
    clients: int  # on how many something was set
    records: int
    kinds: dict[str, int]
    root: str
    previous: str

    def signed_bytes(self) -> bytes:
        """What is signed."""
        return SIGNED + canonical(msgspec.to_builtins(self))

    @property
    def leaves(self) -> int:
        """How many leaves the day's tree has: accounts, clients, what is venue-wide, what is vouched for."""
        return self.accounts + self.clients + 2


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A day's facts and their signature, 64 bytes in base64."""

    facts: Facts
    signature: str

    @property
    def hash(self) -> str:
        """What the next seal calls this one."""
        return sha256(self.facts.signed_bytes()).hexdigest()

    def encode(self) -> bytes:
        """The file's text."""
        return json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True).encode() + b"\n"


# --- keys ---------------------------------------------------------------------------------------------------------


def make_key(path: Path) -> Path:
    """Write a new private key that only its owner can read, and beside it the public one; returns the latter's path."""
    public_path = path.with_name(path.name + ".pub")
    for place in (path, public_path):
        if place.exists():
            raise SealError(f"--make-key: {place} exists; name a new file")
    private = Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    disk.write_new(path, private.private_bytes(pem, pkcs8, plain))
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    disk.write_new(public_path, public)
    return public_path


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SealError(
            f"--key: {path} is no Ed25519 key in PEM without a password; lionrock audit seal --make-key FILE"
        )
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SealError(f"--public-key: {path} is no Ed25519 public key in PEM; the one beside the seals' key is meant")
    return key


# --- files --------------------------------------------------------------------------------------------------------


def seal_path(folder: Path, day: date) -> Path:
    """The file of a day's seal."""
    return folder / f"seal-{day}.json"


def read_seal(path: Path) -> Seal:
    """The seal in a file; its signature is not checked."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SealError(f"{path}: it is no seal: {error}") from None


def seals_in(folder: Path) -> dict[date, Seal]:
    """The seals in a folder by their day, which the name and the seal must agree on."""
    found: dict[date, Seal] = {}
    for path in sorted(folder.glob("seal-*.json")) if folder.is_dir() else ():
        seal = read_seal(path)
        day = _day_of(seal, path)
        if path.name != seal_path(folder, day).name:
            raise SealError(f"{path}: it is the seal of {day} under another name")
        found[day] = seal
    return found


def _day_of(seal: Seal, path: Path) -> date:
    try:
        return date.fromisoformat(seal.facts.day)
    except ValueError:
        raise SealError(f"{path}: {seal.facts.day[:40]!r} is no day") from None


def check_signature(seal: Seal, key: Ed25519PublicKey) -> None:
    """SealError unless the seal is one of this format and was signed with the key that belongs to this public one."""
    day = seal.facts.day[:40]
    if seal.facts.format != FORMAT:
        raise SealError(f"the seal of {day} is of the format {seal.facts.format[:40]!r}; this release reads {FORMAT!r}")
    try:
        key.verify(base64.b64decode(seal.signature, validate=True), seal.facts.signed_bytes())
    except (ValueError, InvalidSignature):
        raise NotSealedError(f"the seal of {day} was not signed with this key, or was changed since") from None


# --- making -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """A seal that was made, or that was there and is the same."""

    seal: Seal
    path: Path
    is_new: bool


def seal_days(
    journal: Path, folder: Path, key: Ed25519PrivateKey, now_ns: int, day: date | None, progress: Progress
) -> list[Sealed]:
    """Seal the days of a journal that are over and have no seal yet, in order, or all of them up to a day.

    A day that was named and has its seal is worked out again, and must give the same. SealError when a day is not over,
    or when the journal is not the one that was sealed before.
    """
    days = days_of(journal, now_ns)
    _check_day(days, day, now_ns)
    known = seals_in(folder)
    check_seals(journal, known, key.public_key(), days)
    wanted = [item for item in days.ended if item.day == day or (item.day not in known and (not day or item.day < day))]
    made: list[Sealed] = []
    for end, tree in trees_of(journal, wanted, progress):
        path, old = seal_path(folder, end.day), known.get(end.day)
        facts = facts_of(days.venue, end, tree, known)
        if old is not None:
            check_same(old.facts, facts)
            made.append(Sealed(old, path, is_new=False))
            continue
        seal = Seal(facts, base64.b64encode(key.sign(facts.signed_bytes())).decode())
        disk.make_folder(folder)
        disk.write_atomically(path, [seal.encode()])
        known[end.day] = seal
        made.append(Sealed(seal, path, is_new=True))
    return made


def _check_day(days: JournalDays, day: date | None, now_ns: int) -> None:
    if not days.ended:
        raise SealError("no day of this journal is over yet; seal each day after it has ended in Hong Kong")
    if day is not None and all(item.day != day for item in days.ended):
        first, last = days.ended[0].day, days.ended[-1].day
        if day > last:
            raise SealError(f"--day {day}: it is not over; the last day of this journal that is over is {last}")
        raise SealError(f"--day {day}: it is before this journal, whose first day is {first}")


def facts_of(venue: str, end: DayEnd, tree: DayTree, known: dict[date, Seal]) -> Facts:
    """What a day's seal says; `known` has the seal of the day before."""
    leaves, before = tree.leaves(), known.get(end.day - timedelta(days=1))
    return Facts(
        FORMAT, venue, str(end.day), end.first_seq, end.last_seq, end.log_seq, end.chain.hex(), *end.gateway,
        accounts=sum(leaf.account >= 0 for leaf in leaves), clients=sum(leaf.account < VOUCHED for leaf in leaves),
        records=sum(leaf.count for leaf in leaves), kinds=dict(tree.kinds),
        root=root_of([leaf.encode() for leaf in leaves]).hex(), previous=before.hash if before else "",
    )  # fmt: skip


# --- checking -----------------------------------------------------------------------------------------------------


def check_seals(journal: Path, known: dict[date, Seal], key: Ed25519PublicKey, days: JournalDays) -> None:
    """SealError unless the seals are signed, follow each other from the first day on, and are of this journal."""
    before = ""
    for place, day in enumerate(sorted(known)):
        facts, wanted = known[day].facts, days.ended[0].day + timedelta(days=place)
        check_signature(known[day], key)
        if day != wanted:
            raise NotSealedError(f"the seal of {min(day, wanted)} is missing or of another journal; restore the file")
        if facts.venue != days.venue:
            raise NotSealedError(f"the seal of {day} is of another venue's journal")
        if facts.previous != before:
            raise NotSealedError(
                f"the seal of {day} does not follow the one of the day before: one of them was replaced"
            )
        before = known[day].hash
    if known:
        facts = known[max(known)].facts
        reader = host.JournalReader(journal)
        if not reader.seek(facts.log_seq, bytes.fromhex(facts.journal)):
            raise NotSealedError(
                f"the seal of {facts.day} has the journal up to sequence {facts.log_seq:,} with another hash: "
                "the journal was cut or changed since"
            )


def check_same(sealed: Facts, found: Facts) -> None:
    """SealError when a day, worked out again, is not what was sealed."""
    for name in Facts.__struct_fields__:
        was, now = getattr(sealed, name), getattr(found, name)
        if was != now:
            raise NotSealedError(
                f"the day {sealed.day} is not what was sealed: {name} is {now!r}, the seal says {was!r}"
            )


def check_all(journal: Path, folder: Path, key: Ed25519PublicKey, now_ns: int, progress: Progress) -> dict[date, Seal]:
    """Work out again every day that has a seal; the seals, or SealError for the first that differs."""
    known, days = seals_in(folder), days_of(journal, now_ns)
    if not known:
        raise SealError(f"{folder}: it holds no seal")
    if max(known) not in [item.day for item in days.ended]:
        raise NotSealedError(
            f"the seal of {max(known)} is of a day that this journal has not ended: the journal was cut"
        )
    check_seals(journal, known, key, days)
    ended = [item for item in days.ended if item.day in known]
    for end, tree in trees_of(journal, ended, progress):
        check_same(known[end.day].facts, facts_of(days.venue, end, tree, known))
    return known
