"""The binary protocol: a frame of command rows is taken whole, signed and in range, or refused in one line.

What is taken is checked field by field against the limits as the protocol states them, goes through the engine, and
leaves a state without a fault. The compiled check of plain rows agrees with the general one, byte for byte.
"""

from pathlib import Path
from random import Random

import msgspec
import numpy as np

from engine import invariants
from engine.codes import NIL, CommandKind, ExecInst, OrdType, PriceSource, SelfTrade, TimeInForce
from engine.schema import COMMAND, LABEL
from engine.units import INT64_MAX, MAX_LOTS, MAX_TICKS
from gateway.sessions import binary_protocol
from gateway.sessions.actions import Close, Submit
from gateway.wire.command_rows import ROW_BYTES, NewRow, Signer, amend_row, bare_row, new_row
from gateway.wire.errors import ErrorCode, Refusal
from tests.fuzz.mutate import WORDS, below, mutated, mutated_fixed
from tests.fuzz.target import Target, Wrong
from tests.fuzz.venue import INPUT_NS, FuzzedVenue

_NOBODY = Signer(0, 0, 0)
_CHECKED_STATE = 1 / 512
_ERROR = msgspec.json.Decoder()
FIELDS = [(name, *COMMAND.fields[name][:2]) for name in COMMAND.names if name != "spare"]
_KINDS = [int(kind) for kind in (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL)]
MOST_ROWS = 6
_BOTH_WAYS = 1 / 4
_IS_COMMAND = np.isin(np.arange(256), _KINDS)
_MOST = {
    "price_ticks": MAX_TICKS, "trigger_price_ticks": MAX_TICKS, "offset_ticks": MAX_TICKS, "qty_lots": MAX_LOTS,
    "display_lots": MAX_LOTS, "order_id": INT64_MAX, "cl_ord_id": INT64_MAX, "expire_ns": INT64_MAX,
    "ord_type": max(OrdType), "tif": max(TimeInForce), "self_trade": max(SelfTrade), "trigger_source": max(PriceSource),
}  # fmt: skip
"""The largest value of what a client may send; the smallest is 0."""


def _clients_bytes() -> np.ndarray:
    """All ones in each byte of a row that is the client's, and that the gateway must leave as it is."""
    row = np.full(1, 255, np.uint8).repeat(ROW_BYTES).view(COMMAND)
    for name in ("account_slot", "person", "key", "connection", "group", "seq", "time_ns"):
        row[name] = 0
    return row.view(np.uint8)


_CLIENTS = _clients_bytes()


def made_row(chance: Random) -> bytes:
    """A command with its label, if it has one, mostly one that the engine may take."""
    do = below(chance, 8)
    if do < 4:
        label = b"" if chance.random() < 0.8 else chance.choice((b"x", b"y" * 64, "é".encode(), b"\xff", b"\n", b"a b"))
        row = NewRow(
            below(chance, 3), 1 + below(chance, 2), below(chance, 8), below(chance, 5),
            (1, 10, 100, 5000, MAX_LOTS)[below(chance, 5)],
            (38_000, 40_000, 41_000, 1, 0, MAX_TICKS, 39_999)[below(chance, 7)],
            flags=1 << below(chance, 10) if chance.random() < 0.3 else 0, self_trade=below(chance, 4),
            trigger_source=below(chance, 3), cl_ord_id=below(chance, 50),
            trigger_price_ticks=(0, 0, 0, 39_000, 41_000)[below(chance, 5)],
            offset_ticks=(0, 0, 0, 10)[below(chance, 4)],
            display_lots=(0, 0, 0, 1, 10)[below(chance, 5)], expire_ns=(0, 0, 1, 1 << 62)[below(chance, 4)],
        )  # fmt: skip
        try:
            return new_row(_NOBODY, row, label)
        except Refusal:
            return new_row(_NOBODY, row)
    if do == 4:
        return amend_row(_NOBODY, 4194305 + below(chance, 50), 1 + below(chance, 20), 38_000 + below(chance, 4000))
    row = bytearray(bare_row(_KINDS[2 if do < 7 else 3]))
    rows = np.frombuffer(row, COMMAND)
    if do < 7:
        rows["cl_ord_id" if chance.random() < 0.7 else "order_id"] = below(chance, 50)
    else:
        rows["contract_slot"], rows["side"] = below(chance, 3) - 1, below(chance, 3)
    return bytes(row)


def spoilt(frame: bytearray, chance: Random) -> None:
    """Put a number at the edge of what fits into a field of a row."""
    rows = np.frombuffer(frame, COMMAND)
    name, kind, _ = FIELDS[below(chance, len(FIELDS))]
    if kind.subdtype is None:
        bits = 8 * kind.itemsize
        value = chance.choice(WORDS) & ((1 << bits) - 1)
        rows[below(chance, len(rows))][name] = value - (1 << bits) if value >> (bits - 1) else value


class BinaryRows(Target):
    """Frames of rows of two traders, and of somebody without a login."""

    name = "binary"
    round_inputs = 100_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fuzzed = FuzzedVenue(folder)
        self.sessions = [self.fuzzed.new_session(who, binary=True) for who in (0, 1, FuzzedVenue.ANONYMOUS)]
        self._chance = Random(1)
        self._contracts = len(self.fuzzed.venue.projection.contracts())

    def bases(self) -> list[bytes]:
        chance = Random(0)
        return [b"%c%b" % (who, made_row(chance)) for who in b"01" for _ in range(50)]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        who = b"0101012"[below(chance, 7)]
        if chance.random() < 0.6:
            frame = bytearray(b"".join(made_row(chance) for _ in range(1 + below(chance, MOST_ROWS))))
        else:
            frame = bytearray(pool[below(chance, len(pool))][1:])
        do = chance.random()
        if do < 0.3 and len(frame) % ROW_BYTES == 0 and frame:
            spoilt(frame, chance)
        elif do < 0.5 and frame:
            mutated_fixed(frame, chance)
        elif do < 0.55:
            frame = bytearray(mutated(bytes(frame), chance))
        return b"%c%b" % (who, frame)

    def check(self, data: bytes) -> str:
        fuzzed, who, frame = self.fuzzed, b"012".find(data[:1]) % 3, data[1:]
        fuzzed.clock.steady_now_ns += INPUT_NS
        session = self.sessions[who]
        actions = session.receive_rows(frame, fuzzed.clock.steady_ns())
        if any(type(action) is Close for action in actions):
            self.sessions[who] = fuzzed.new_session((0, 1, FuzzedVenue.ANONYMOUS)[who], binary=True)
        if type(actions[0]) is Submit:
            shape = self._taken(frame, actions[0].rows, session)
            fuzzed.carry_out(actions)
            if self._chance.random() < _CHECKED_STATE:
                invariants.check(fuzzed.venue.engine.root)
            return shape
        answer = _ERROR.decode(actions[0].data)
        error = answer["error"]
        if error["code"] == ErrorCode.INTERNAL_SERVER_ERROR or answer["id"] is not None:
            raise Wrong(f"answered with {error!r:.300}")
        reason = error["data"]["reason"]
        if not reason or any(character in reason for character in "\n\r\0") or len(reason) > 300:
            raise Wrong(f"a reason that is not one line: {reason!r:.300}")
        if who == 2 and error["code"] != ErrorCode.UNAUTHORIZED:
            raise Wrong(f"without a login: {error!r:.300}")
        return f"{error['message']} {error['data'].get('param', '')} {'row' in reason}"

    def _taken(self, frame: bytes, given: bytes, session) -> str:
        """Whether rows that were taken are the client's, signed, and within what the protocol allows."""
        signer, rows = session.signer, np.frombuffer(given, COMMAND)
        labels = rows["kind"] == CommandKind.LABEL
        has_labels = bool(labels.any())
        commands, count = rows[~labels] if has_labels else rows, len(rows)
        if not 0 < count <= binary_protocol.MAX_ROWS or len(given) != len(frame):
            raise Wrong(f"{len(frame)} bytes became {len(given)}")
        changed = np.frombuffer(given, np.uint8) ^ np.frombuffer(frame, np.uint8)
        if (changed.reshape(count, ROW_BYTES) & _CLIENTS).any():
            raise Wrong("a field that is the client's was changed")
        ours = (("account_slot", signer.account_slot), ("person", signer.person), ("key", signer.key),
                ("connection", signer.connection), ("seq", 0), ("time_ns", 0))  # fmt: skip
        for name, value in ours:
            if (commands[name] != value).any():
                raise Wrong(f"{name} is not the gateway's: {commands[name].tolist()}")
        self._ranges(commands)
        if has_labels:
            self._labels(rows, labels)
        if self._chance.random() < _BOTH_WAYS:
            self._both_ways(frame, given, signer)
        kinds = "".join(str(kind) for kind in sorted(set(rows["kind"].tolist())))
        return f"taken {kinds} {min(count, 3)} {sorted(set(commands['ord_type'].tolist()))[:2]}"

    def _ranges(self, rows) -> None:
        kinds, flags, slots = rows["kind"], rows["flags"], rows["contract_slot"]
        good = _IS_COMMAND[kinds.view(np.uint8)] & (rows["reason"] == 0) & (rows["connection"] > 0) & (flags >= 0)
        good &= (rows["side"] >= (kinds == CommandKind.NEW)) & (rows["side"] <= 2)
        is_mass = kinds == CommandKind.MASS_CANCEL
        good &= (slots >= np.where(is_mass, NIL, 0)) & (slots < self._contracts)
        good &= rows["group"] == np.where(is_mass, NIL, 0)
        for name, most in _MOST.items():
            values = rows[name]
            good &= (values >= 0) & (values <= most)
        good &= ~rows["spare"].any(axis=1)
        if not good.all():
            raise Wrong(f"a row out of range was taken: {rows[~good][0]!r:.600}")

    def _labels(self, rows, labels) -> None:
        places = np.flatnonzero(labels)
        if places[0] == 0 or not (rows["flags"][places - 1] & ExecInst.LABELLED).all():
            raise Wrong("a label without its command was taken")
        view = rows[labels].view(LABEL)
        if view["rest"].any() or view["pad"].any():
            raise Wrong("a label with something in its padding was taken")
        for text in view["text"]:
            if not text.tobytes().rstrip(b"\0").decode().isprintable():
                raise Wrong(f"label {text!r} was taken")

    def _both_ways(self, frame: bytes, given: bytes, signer: Signer) -> None:
        """The general check, asked directly, gives the same rows."""
        rows = np.frombuffer(frame, COMMAND).copy()
        labels = rows["kind"] == CommandKind.LABEL
        binary_protocol._check_kinds(rows)
        binary_protocol._check_labels(rows, labels)
        binary_protocol._check_commands(rows[~labels], self._contracts, np.flatnonzero(~labels))
        binary_protocol._overwrite(rows, labels, signer)
        if rows.tobytes() != given:
            raise Wrong("the compiled check gives other rows than the general one")

    def close(self) -> None:
        self.fuzzed.close()
