"""JSON-RPC: whatever a text message is, it gets exactly one answer, which is JSON and no fault of the venue.

Requests are made from the table of methods: every parameter with values of its type, at its edges, and of others. The
answer carries the id that was sent; a message that writes nothing leaves the engine's state as it was.
"""

import json
from pathlib import Path
from random import Random
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from gateway.document.examples import EXAMPLES
from gateway.sessions.actions import Close, Submit
from gateway.sessions.method_table import METHODS
from gateway.wire.decimals import Number
from gateway.wire.errors import ErrorCode
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong
from tests.fuzz.venue import INPUT_NS, FuzzedVenue
from tests.gateway.live import BTC

NUMBERS = [
    b"0", b"1", b"0.01", b"0.5", b"19000", b"20000", b"20000.5", b"21000", b"1e2", b"5", b"10", b"100", b"1000", b'"1"',
    b'"19500.0"', b"0.0001", b"-1", b'"-1"', b"1e99", b"1e-99", b"999999999999999999", b"9999999999999999999",
    b"9223372036854775807", b"9223372036854775808", b"0.000000000001", b"1.0000000000001", b'"1e5"', b"true", b"null",
    b'""', b'"x"', b"[]", b"{}", b"1793577600000", b"1793577600001", b"0.1234", b"1E+5", b'"\\u0031"', b"4194305",
]  # fmt: skip
TEXTS = [
    BTC, "ETH_USDC-PERPETUAL", "BTC_USDC-PERPETUA", "", "x", "USDC", "BTC", "any", "future", "all", "limit", "market",
    "btc_usdc", "bot", "é", "\x00", "x" * 65, "😀", "4194305", "4194306", "0", "-1", "1", "sample", "alice", "bob",
    "Ann",
    "8h", "1D", "2026-12-31", "5e" * 32,
    "raw", "100ms", "settlement", "default", "derivative", "HK", "\u202e", "a b",
    f"book.{BTC}.100ms", f"trades.{BTC}.raw", "user.orders.any.any.raw", f"ticker.{BTC}.raw",
    "client_credentials",
    "refresh_token", "client_signature", "account", "connection", "venue", "\ud7ff", "1e5", "NaN", "\\", '"', "/", "''",
    f"user.changes.{BTC}.raw", "chart.trades.BTC_USDC-PERPETUAL.1", "deribit_price_index.btc_usdc",
    "user.portfolio.any", "user.positions.any",
]  # fmt: skip
IDS = [b"1", b"2", b'"a"', b"-5", b"0", b"null", b"1.5", b"9223372036854775808", b"[]", b'"' + b"x" * 70 + b'"',
    b"true"]
_ANY = [b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b'{"a":1}', b"1e400", b"-0"]
_SAMPLED = 1 / 256
LONGEST_REASON = 1_000
"""The longest there is lists all thresholds of the surveillance."""


def _text(value: str) -> bytes:
    return json.dumps(value).encode()


_TEXTS = [_text(value) for value in TEXTS]


def made_value(kind: Any, chance: Random, depth: int = 0) -> bytes:
    """JSON of a parameter's type, or now and then of another."""
    if chance.random() < 0.06 or depth > 4:
        return chance.choice(_ANY)
    if kind is Number:
        return NUMBERS[below(chance, len(NUMBERS))]
    if hasattr(kind, "__metadata__"):
        return made_value(get_args(kind)[0], chance, depth)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return made_value(chance.choice(get_args(kind)), chance, depth)
    if origin is Literal:
        return _text(str(chance.choice(get_args(kind))))
    if origin in (list, tuple):
        inner = get_args(kind)[0] if get_args(kind) else str
        return b"[" + b",".join(made_value(inner, chance, depth + 1) for _ in range(below(chance, 4))) + b"]"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return made_object(kind, chance, depth + 1)
    if kind is str:
        return _TEXTS[below(chance, len(_TEXTS))]
    if kind is bool:
        return (b"true", b"false", b'"true"')[below(chance, 3)]
    if kind is int:
        return NUMBERS[below(chance, len(NUMBERS))]
    return chance.choice(_ANY)


_FIELDS: dict[type, list[tuple[bytes, Any, bool]]] = {}


def made_object(kind: type, chance: Random, depth: int = 0) -> bytes:
    """JSON of a structure: what it requires, and half of the rest."""
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = [(_text(item.encode_name), item.type, item.required) for item in msgspec.structs.fields(kind)]
        _FIELDS[kind] = fields
    parts = [
        name + b":" + made_value(of, chance, depth)
        for name, of, is_required in fields
        if chance.random() < (0.97 if is_required else 0.4)
    ]
    return b"{" + b",".join(parts) + b"}"


_METHODS = [(name, _text(name), method.params) for name, method in METHODS.items()]
_EXAMPLES = [
    json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
    for name, params in EXAMPLES.items()
]
_ORDERS = [row for row in _METHODS if METHODS[row[0]].bucket in ("orders", "cancels")]
WHO = b"01234"
"""The first byte of an input says whose session gets it."""
_ENDS_TRADING = b"withdraw_professional_status"


def made_request(chance: Random) -> bytes:
    """A request by the table."""
    table = _ORDERS if chance.random() < 0.1 else _METHODS
    _, method, params = table[below(chance, len(table))]
    request_id = IDS[below(chance, len(IDS))] if chance.random() < 0.2 else b"1"
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (request_id, method, made_object(params, chance))


def made_message(chance: Random, pool: list[bytes]) -> bytes:
    """A request by the table, an example of one, or one that had a shape of its own; half of them damaged."""
    kind = chance.random()
    if kind < 0.5:
        data = made_request(chance)
    elif kind < 0.7:
        data = _EXAMPLES[below(chance, len(_EXAMPLES))]
    else:
        data = pool[below(chance, len(pool))][1:]
    return mutated(data, chance) if chance.random() < 0.4 else data


class JsonRequests(Target):
    """Text messages of all kinds of sessions."""

    name = "json"
    round_inputs = 100_000
    ending = "txt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fuzzed = FuzzedVenue(folder)
        self._chance = Random(1)

    def bases(self) -> list[bytes]:
        return [b"%c%b" % (who, message) for message in _EXAMPLES for who in WHO[:1]]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        message = made_message(chance, pool)
        who = WHO[FuzzedVenue.CAROL] if _ENDS_TRADING in message else WHO[below(chance, len(WHO))]
        return b"%c%b" % (who, message)

    def check(self, data: bytes) -> str:
        fuzzed, who, message = self.fuzzed, WHO.find(data[:1]) % len(WHO), data[1:]
        fuzzed.clock.steady_now_ns += INPUT_NS
        session = fuzzed.sessions[who]
        before = fuzzed.venue.engine.digest() if self._chance.random() < _SAMPLED else None
        actions = session.receive(message, fuzzed.clock.steady_ns())
        writes = any(type(action) is Submit for action in actions)
        answers = fuzzed.carry_out(actions)
        if session.closed or any(type(action) is Close for action in actions):
            fuzzed.sessions[who] = fuzzed.new_session(who)
        if not answers and any(type(action) is Close for action in actions):
            return "closed without an answer"
        if before is not None and not writes and not _is_done(answers) and fuzzed.venue.engine.digest() != before:
            raise Wrong("a request that was refused has changed the engine's state")
        return checked_answers(message, answers, fuzzed.faults)

    def close(self) -> None:
        self.fuzzed.close()


_ENVELOPE = msgspec.json.Decoder(dict[str, Any])
_ERROR = msgspec.json.Decoder()


def _is_done(answers: list[bytes]) -> bool:
    return any(b'"result":' in answer[:60] for answer in answers)


def checked_answers(message: bytes, answers: list[bytes], faults: Any) -> str:
    """The shape of the one answer to a message. Raises Wrong."""
    if len(answers) != 1:
        raise Wrong(f"{len(answers)} answers: {answers!r:.300}")
    try:
        answer = _ERROR.decode(answers[0])
    except msgspec.DecodeError as error:
        raise Wrong(f"an answer that is not JSON ({error}): {answers[0]!r:.300}") from None
    if answer.get("jsonrpc") != "2.0" or ("result" in answer) == ("error" in answer):
        raise Wrong(f"no answer of JSON-RPC 2.0: {answers[0]!r:.300}")
    sent = _sent(message)
    error = answer.get("error")
    if sent and answer["id"] != sent.get("id") and not (error and answer["id"] is None):
        raise Wrong(f"id {answer['id']!r} for {sent.get('id')!r}")
    method = sent.get("method")
    name = method.removeprefix("/") if type(method) is str and method.removeprefix("/") in METHODS else ""
    if error is None:
        return f"{name} done {_kind(answer['result'])}"
    data = error["data"]
    if error["code"] == ErrorCode.INTERNAL_SERVER_ERROR:
        raise Wrong(f"internal error of {name or method!r}: {faults.last}")
    if error["message"] != ErrorCode(error["code"]).name.lower() or not isinstance(data.get("reason"), str):
        raise Wrong(f"an error without its name or reason: {error!r:.300}")
    if any(character in data["reason"] for character in "\n\r\x00") or not data["reason"]:
        raise Wrong(f"a reason that is not one line: {data['reason']!r:.300}")
    if len(data["reason"]) > LONGEST_REASON:
        raise Wrong(f"a reason of {len(data['reason'])} characters: {data['reason']!r:.300}")
    param = str(data.get("param", ""))
    return f"{name} {error['message']} {param if len(param) < 30 else '...'}"


def _kind(result: Any) -> str:
    return f"{type(result).__name__}{' empty' if not result else ''}"


def _sent(message: bytes) -> dict[str, Any]:
    """What a plain reader makes of a message; nothing when it is no object."""
    try:
        return _ENVELOPE.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
