"""JSON-RPC 2.0 as it comes in: bytes to typed requests.

Every request gets exactly one answer; a message that is no request gets one clear error.
"""

import re
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, get_args

import msgspec
import numpy as np
from msgspec import Raw

from gateway.office.officer_params import WHOLE_TEXT, wide_fields
from gateway.sessions.method_table import METHODS, REQUESTS
from gateway.wire.errors import ErrorCode, Refusal
from gateway.wire.jsonrpc_answers import RequestId, encode
from gateway.wire.type_errors import field_and_reason, one_line

_UNION: Any = reduce(or_, REQUESTS.values())
_DECODER = msgspec.json.Decoder(_UNION)
_LENIENT = msgspec.json.Decoder(_UNION, strict=False)
MAX_NESTING = 500
"""How deeply arrays and objects may nest. The decoder's own limit differs between versions of Python."""
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEP = np.zeros(256, np.int64)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1


class _Envelope(msgspec.Struct):
    """What can be read of a message that is not a valid request."""

    id: RequestId = None
    method: Raw = Raw(b"")
    jsonrpc: Raw = Raw(b'"2.0"')


_ENVELOPE = msgspec.json.Decoder(_Envelope)


class _Call(msgspec.Struct):
    """A request of which nothing is checked yet."""

    method: str
    params: dict[str, Raw] = {}
    jsonrpc: Raw = Raw(b'"2.0"')
    id: Raw = Raw(b"null")


_CALL = msgspec.json.Decoder(_Call)
_QUOTED_FLAGS = (b'"true"', b'"false"')
_FLAGS = {
    name: frozenset(
        field.encode_name
        for field in msgspec.structs.fields(method.params)
        if bool in (field.type, *get_args(field.type))
    )
    for name, method in METHODS.items()
}
"""The parameters of each method that are true or false; some clients put them in quotes."""
_WIDE = {name: wide_fields(method.params) for name, method in METHODS.items()}
_QUOTED_WHOLE = re.compile(f'"{WHOLE_TEXT}"'.encode())


class Malformed(Exception):  # noqa: N818 - it is answered, not raised to anyone
    """A message that could not become a request: the id to answer, why, and the method if it has one."""

    def __init__(self, request_id: RequestId, refusal: Refusal, method: str = "no request") -> None:
        super().__init__(str(refusal))
        self.request_id = request_id
        self.refusal = refusal
        self.method = method


def decode(data: bytes | bytearray | memoryview) -> Any:
    """A typed request from one message; raises `Malformed` with the answer to give."""
    if len(data) > MAX_NESTING and _is_too_deep(bytes(data)):
        raise Malformed(None, Refusal(ErrorCode.PARSE_ERROR, "the message is nested too deeply"))
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        respelled = _respelled(bytes(data))
        if respelled is None:
            raise _explain(bytes(data), error) from None
    try:
        return _DECODER.decode(respelled)
    except msgspec.DecodeError as error:
        raise _explain(respelled, error) from None


def _respelled(data: bytes) -> bytes | None:
    """The same request without a slash before its method, and without quotes around flags and around whole numbers that
    may be above 2^53; None if it has nothing of it."""
    try:
        call = _CALL.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = call.method.removeprefix("/")
    flags, wide = _FLAGS.get(name, frozenset()), _WIDE.get(name, frozenset())
    quoted = [
        key
        for key, value in call.params.items()
        if (key in flags and bytes(value) in _QUOTED_FLAGS) or (key in wide and _QUOTED_WHOLE.fullmatch(bytes(value)))
    ]
    if name == call.method and not quoted:
        return None
    call.method = name
    call.params.update((key, Raw(bytes(call.params[key])[1:-1])) for key in quoted)
    return encode(call)


def decode_message(data: bytes | bytearray | memoryview) -> Any:
    """The same from a socket, where a request needs an id: nothing else says which answer belongs to it."""
    request = decode(data)
    if request.id is None:
        raise Malformed(None, Refusal(ErrorCode.INVALID_REQUEST, "it is missing; send a number or a text", "id"))
    return request


def _is_too_deep(data: bytes) -> bool:
    """Whether an object nests more deeply than is read. What is no object is refused before anything inside it."""
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING or data.lstrip(b" \t\r\n")[:1] != b"{":
        return False
    brackets = np.frombuffer(_TEXT.sub(b"", data), np.uint8)
    return bool(_STEP[brackets].cumsum().max() > MAX_NESTING)


def decode_call(method: str, query: Mapping[str, str]) -> Any:
    """A typed request from an HTTP GET: the parameters are text, as the query string has them."""
    data = encode({"method": method.removeprefix("/"), "params": dict(query)})
    try:
        return _LENIENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explain(data, error) from None


def _explain(data: bytes, error: Exception) -> Malformed:
    """The answer to a message that did not decode, with the id if there is a usable one."""
    try:
        envelope = _ENVELOPE.decode(data)
    except msgspec.ValidationError as second:
        return Malformed(None, Refusal(ErrorCode.INVALID_REQUEST, one_line(str(second))))
    except UnicodeDecodeError:
        return Malformed(None, Refusal(ErrorCode.PARSE_ERROR, "the message is not UTF-8"))
    except msgspec.DecodeError as second:
        return Malformed(None, Refusal(ErrorCode.PARSE_ERROR, one_line(str(second))))
    refusal = _refusal(envelope, error)
    if refusal.code == ErrorCode.INVALID_PARAMS:
        return Malformed(envelope.id, refusal, bytes(envelope.method)[1:-1].decode())
    return Malformed(envelope.id, refusal)


def _refusal(envelope: _Envelope, error: Exception) -> Refusal:
    if isinstance(error, UnicodeDecodeError):
        return Refusal(ErrorCode.PARSE_ERROR, "the message is not UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        # From 0.23 msgspec tells so of a text that is not UTF-8; the envelope does not look into it.
        return Refusal(ErrorCode.PARSE_ERROR, one_line(str(error)))
    if bytes(envelope.jsonrpc) != b'"2.0"':
        return Refusal(ErrorCode.INVALID_REQUEST, 'jsonrpc must be "2.0"', "jsonrpc")
    method = bytes(envelope.method)
    if method[:1] != b'"':
        return Refusal(ErrorCode.INVALID_REQUEST, "method must be a string such as public/get_time", "method")
    name = method[1:-1].decode("ascii", "replace")
    if name not in METHODS:
        return Refusal(ErrorCode.METHOD_NOT_FOUND, f"{name[:60]} is not a method of this venue", "method")
    field, reason = field_and_reason(str(error), METHODS[name].params, ".params")
    return Refusal(ErrorCode.INVALID_PARAMS, reason, field or "params")
