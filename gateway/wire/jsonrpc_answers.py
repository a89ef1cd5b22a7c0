"""JSON-RPC 2.0 as it goes out: answers, error answers and pushes.

They are built from templates of bytes, so a result is encoded once for all its receivers.
"""

from typing import Any

import msgspec
from msgspec import Raw

from gateway.wire.errors import Refusal

_ENCODE = msgspec.json.Encoder().encode
RequestId = int | str | None
"""The `id` that a client gave its request; the answer carries it back."""
MOST_EXACT = (1 << 53) - 1
"""The largest whole number that floating point holds exactly with all smaller ones."""
_FLAG = (b"false", b"true")
_ID = msgspec.json.Decoder(int | str)


def decode_id(data: bytes) -> RequestId:
    """A request's id from its JSON."""
    return _ID.decode(data)


def id_bytes(request_id: RequestId) -> bytes:
    """A request's id as JSON."""
    return b"%d" % request_id if type(request_id) is int else _ENCODE(request_id)


REPLY = b'{"jsonrpc":"2.0","id":%b,"result":%b,"usIn":%d,"usOut":%d,"usDiff":%d,"testnet":%b}'


def reply(request_id: RequestId, result: bytes, us_in: int, us_out: int, testnet: bool = False) -> bytes:
    """The answer to a request, around an encoded result. Times are microseconds since the epoch."""
    return REPLY % (
        id_bytes(request_id),
        result,
        us_in,
        us_out,
        us_out - us_in,
        _FLAG[testnet],
    )


def error_reply(request_id: RequestId, refusal: Refusal, us_in: int, us_out: int, testnet: bool = False) -> bytes:
    """The error answer: code, its name as the message, and the parameter and reason in data."""
    data: dict[str, object] = {"reason": refusal.reason, **refusal.data}
    if refusal.param:
        data["param"] = refusal.param
    error = {"code": int(refusal.code), "message": refusal.code.name.lower(), "data": data}
    return b'{"jsonrpc":"2.0","id":%b,"error":%b,"usIn":%d,"usOut":%d,"usDiff":%d,"testnet":%b}' % (
        id_bytes(request_id),
        _ENCODE(error),
        us_in,
        us_out,
        us_out - us_in,
        _FLAG[testnet],
    )


def exactly(value: Any) -> Any:
    """A value whose whole numbers beyond `MOST_EXACT` are text, also inside it: readers that hold every number of JSON
    as floating point, as browsers do, would round them."""
    if type(value) is int:
        return value if abs(value) <= MOST_EXACT else str(value)
    if isinstance(value, dict):
        return {name: exactly(part) for name, part in value.items()}
    return [exactly(part) for part in value] if isinstance(value, list) else value


def beside(result: bytes, members: dict[str, object]) -> bytes:
    """A result with more members of its answer behind it, for clients that know them; others read the result alone."""
    return b"%b,%b" % (result, _ENCODE(members)[1:-1]) if members else result


def push(channel: str, data: bytes) -> bytes:
    """A notification on a channel; the channel's name is echoed as it was subscribed."""
    return b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":%b,"data":%b}}' % (_ENCODE(channel), data)


def private_push(channel: str, data: bytes, sequence: int, has_more: bool = False) -> bytes:
    """A notification on an account's own channel."""
    params = private_params(channel, data, sequence, has_more)
    return b'{"jsonrpc":"2.0","method":"subscription","params":%b}' % params


def private_params(channel: str, data: bytes, sequence: int, has_more: bool = False) -> bytes:
    """Its `params`. `sequence` is the last command whose facts it says; `more`: another that belongs to it follows."""
    more = b',"more":true' if has_more else b""
    return b'{"channel":%b,"data":%b,"sequence":%d%b}' % (_ENCODE(channel), data, sequence, more)


def heartbeat(kind: str) -> bytes:
    """A heartbeat notification; `test_request` asks the client for `public/test`."""
    return b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"%b","data":"%b"}}' % (kind.encode(), kind.encode())


def encode(value: object) -> bytes:
    """Any result as JSON; numbers that must be exact are Raw."""
    return _ENCODE(value)


class _Answer(msgspec.Struct):
    error: Raw = Raw(b"")


_ANSWER = msgspec.json.Decoder(_Answer)


def is_error(answer: bytes) -> bool:
    """Whether an answer made here is an error answer."""
    return bytes(_ANSWER.decode(answer).error) != b""
