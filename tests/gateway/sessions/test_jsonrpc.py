"""The codec: every message becomes a typed request or one clear error; answers are valid JSON."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.office.officer_params import wide_fields
from gateway.sessions import jsonrpc_requests
from gateway.sessions.method_table import METHODS, REQUESTS
from gateway.wire import jsonrpc_answers
from gateway.wire.errors import ErrorCode, Refusal


def nested(depth, opening=b"[", closing=b"]", middle=b""):
    """A message in which arrays or objects nest so deeply, itself counted."""
    inner = opening * (depth - 1) + middle + closing * (depth - 1)
    return b'{"id":7,"method":"public/ticker","params":' + inner + b"}"


MAX = jsonrpc_requests.MAX_NESTING
NAME, TYPE = b'"instrument_name":"B"', ErrorCode.INVALID_PARAMS
BAD = [
    (b"", ErrorCode.PARSE_ERROR, None, ""),
    (b"{", ErrorCode.PARSE_ERROR, None, ""),
    (b"not json", ErrorCode.PARSE_ERROR, None, ""),
    (b'{"id":1,"method":"public/test","params":{"x":NaN}}', ErrorCode.PARSE_ERROR, None, ""),
    (b'{"id":1,"method":"public/get_time\xff"}', ErrorCode.PARSE_ERROR, 1, ""),
    (b"\xff\xfe\x00", ErrorCode.PARSE_ERROR, None, ""),
    (nested(5000), ErrorCode.PARSE_ERROR, None, ""),
    (nested(100_000), ErrorCode.PARSE_ERROR, None, ""),
    (nested(MAX + 1), ErrorCode.PARSE_ERROR, None, ""),
    (b" \n" + nested(MAX + 1, b'{"x":[', b"]}", b'"\\"["'), ErrorCode.PARSE_ERROR, None, ""),
    (nested(MAX + 1, closing=b""), ErrorCode.PARSE_ERROR, None, ""),
    (nested(MAX), ErrorCode.INVALID_PARAMS, 7, "params"),
    (nested(MAX // 2, b'{"x":[', b"]}", b'"%b"' % (rb"[\"\\" * 999)), TYPE, 7, "instrument_name"),
    (nested(2, b"[" + b"[]," * 999 + b"[]"), ErrorCode.INVALID_PARAMS, 7, "params"),
    (b'{"id":7,"method":"public/ticker","params":"' + b"[" * 5000 + b'"}', ErrorCode.INVALID_PARAMS, 7, "params"),
    (b'{"id":7,"method":"public/ticker","params":"' + rb"[\"" * 100_000, ErrorCode.PARSE_ERROR, None, ""),
    (b"[" * 100_000, ErrorCode.INVALID_REQUEST, None, ""),
    (b"[]", ErrorCode.INVALID_REQUEST, None, ""),
    (b"5", ErrorCode.INVALID_REQUEST, None, ""),
    (b'{"id":[1],"method":"public/get_time"}', ErrorCode.INVALID_REQUEST, None, ""),
    (b'{"id":1.5,"method":"public/get_time"}', ErrorCode.INVALID_REQUEST, None, ""),
    (b'{"id":7}', ErrorCode.INVALID_REQUEST, 7, "method"),
    (b'{"id":7,"method":5}', ErrorCode.INVALID_REQUEST, 7, "method"),
    (b'{"jsonrpc":"1.0","id":7,"method":"public/get_time"}', ErrorCode.INVALID_REQUEST, 7, "jsonrpc"),
    (b'{"id":"a","method":"private/withdraw"}', ErrorCode.METHOD_NOT_FOUND, "a", "method"),
    (b'{"id":"a","method":"__class__"}', ErrorCode.METHOD_NOT_FOUND, "a", "method"),
    (b'{"id":7,"method":"public/ticker"}', ErrorCode.INVALID_PARAMS, 7, "params"),
    (b'{"id":7,"method":"public/ticker","params":[]}', ErrorCode.INVALID_PARAMS, 7, "params"),
    (b'{"id":7,"method":"public/ticker","params":{}}', ErrorCode.INVALID_PARAMS, 7, "instrument_name"),
    (b'{"id":7,"method":"public/ticker","params":{"instrument_name":5}}', TYPE, 7, "instrument_name"),
    (b'{"id":7,"method":"private/buy","params":{%b,%b}}' % (NAME, b'"type":"x"'), TYPE, 7, "type"),
    (b'{"id":7,"method":"private/buy","params":{%b,%b}}' % (NAME, b'"post_only":"yes"'), TYPE, 7, "post_only"),
    (b'{"id":7,"method":"private/buy","params":{%b,%b}}' % (NAME, b'"triggerPrice":1'), TYPE, 7, "triggerPrice"),
    (b'{"id":7,"method":"public/subscribe","params":{"channels":[1]}}', ErrorCode.INVALID_PARAMS, 7, "channels[0]"),
]  # fmt: skip


@pytest.mark.parametrize("message, code, request_id, param", BAD)
def test_bad_message_gets_one_clear_error(message, code, request_id, param):
    with pytest.raises(jsonrpc_requests.Malformed) as caught:
        jsonrpc_requests.decode(message)
    refusal = caught.value.refusal
    assert (refusal.code, caught.value.request_id, refusal.param) == (code, request_id, param)
    answer = json.loads(jsonrpc_answers.error_reply(caught.value.request_id, refusal, 1, 3))
    assert answer["error"]["code"] == code
    assert answer["error"]["data"]["reason"] and "\n" not in answer["error"]["data"]["reason"]
    assert answer["id"] == request_id and answer["usDiff"] == 2


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data):
    try:
        jsonrpc_requests.decode(data)
    except jsonrpc_requests.Malformed as malformed:
        json.loads(jsonrpc_answers.error_reply(malformed.request_id, malformed.refusal, 0, 0))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(METHODS)), JSON, JSON)
def test_any_params_of_any_method_are_answered(method, request_id, params):
    message = json.dumps({"id": request_id, "method": method, "params": params}).encode("utf-8", "surrogatepass")
    try:
        request = jsonrpc_requests.decode(message)
    except jsonrpc_requests.Malformed as malformed:
        assert malformed.refusal.code in (-32700, -32600, -32602)
    else:
        assert isinstance(request, REQUESTS[method])


def test_a_deep_value_of_a_field_that_takes_any_text_is_refused_too():
    message = b'{"id":7,"method":"private/buy","params":{"instrument_name":"B","amount":%b}}'
    jsonrpc_requests.decode(message % (b"[" * (MAX - 2) + b"]" * (MAX - 2)))
    with pytest.raises(jsonrpc_requests.Malformed, match="nested too deeply"):
        jsonrpc_requests.decode(message % (b"[" * (MAX - 1) + b"]" * (MAX - 1)))


def test_numbers_stay_exact():
    text = "0.100000000000000000000000000001"
    message = '{"id":1,"method":"private/buy","params":{"instrument_name":"B","amount":0.5,"price":"0.5"}}'
    request = jsonrpc_requests.decode(message.replace("0.5", text).encode())
    assert bytes(request.params.amount) == text.encode()
    assert bytes(request.params.price) == f'"{text}"'.encode()


FLAGS = [
    (method, field.name)
    for method in METHODS
    for field in structs.fields(METHODS[method].params)
    if bool in (field.type, *get_args(field.type))
]


@pytest.mark.parametrize("method, name", FLAGS)
@pytest.mark.parametrize("value", [True, False])
def test_every_flag_may_come_in_quotes(method, name, value):
    required = {"channels": [], "confirm": True}
    fields = {f.name: "1" for f in structs.fields(METHODS[method].params) if f.required} | required
    known = {f.name for f in structs.fields(METHODS[method].params)}
    params = {key: text for key, text in fields.items() if key in known} | {name: value}

    def read(flag, slash=""):
        call = {"id": "a", "method": slash + method, "params": {**params, name: flag}}
        try:
            return jsonrpc_requests.decode(json.dumps(call).encode())
        except jsonrpc_requests.Malformed as malformed:  # another parameter of this call may be of no use
            assert malformed.refusal.param != name
            return str(malformed.refusal)

    assert read(str(value).lower()) == read(value) == read(value, "/") == read(str(value).lower(), "/")


def test_what_is_respelled_keeps_its_numbers_and_its_id():
    text = "0.100000000000000000000000000001"
    params = '{"instrument_name":"B","amount":0.5,"label":"true","post_only":"true","price":"0.5"}'.replace("0.5", text)
    request = jsonrpc_requests.decode(f'{{"id":"7","method":"/private/buy","params":{params}}}'.encode())
    assert (request.id, request.params.post_only, request.params.label) == ("7", True, "true")
    assert (bytes(request.params.amount), bytes(request.params.price)) == (text.encode(), f'"{text}"'.encode())


@pytest.mark.parametrize("text", ['"True"', '"1"', '""', '"yes"', "1", '" true"'])
def test_no_other_text_is_a_flag(text):
    with pytest.raises(jsonrpc_requests.Malformed) as caught:
        jsonrpc_requests.decode(b'{"id":1,"method":"private/buy","params":{%b,"post_only":%b}}' % (NAME, text.encode()))
    assert caught.value.refusal.param == "post_only"


WIDE = [(name, field) for name in METHODS for field in sorted(wide_fields(METHODS[name].params))]


def test_what_may_be_above_two_to_the_53_is_known():
    assert ("venue/admin/explain_order", "number") in WIDE and ("venue/admin/set_venue_parameter", "value") in WIDE


@pytest.mark.parametrize("method, name", WIDE)
@pytest.mark.parametrize("number", [1, (1 << 53) + 1, 1 << 62])
def test_a_whole_number_that_a_browser_cannot_hold_may_come_as_text(method, name, number):
    params = {f.name: "1" for f in structs.fields(METHODS[method].params) if f.required}

    def read(value):
        message = {"id": 1, "method": method, "params": {**params, name: value}}
        return getattr(jsonrpc_requests.decode(json.dumps(message).encode()).params, name)

    assert read(str(number)) == read(number) == number
    for text in ("", "01", "1.0", " 1", "1e3", "--1", "1" * 20, "٣"):
        with pytest.raises(jsonrpc_requests.Malformed) as caught:
            read(text)
        assert caught.value.refusal.param == name


def test_query_strings_are_read_as_text():
    query = {"instrument_name": "B", "amount": "0.1", "reduce_only": "true", "label": "null", "cl_ord_id": "5"}
    request = jsonrpc_requests.decode_call("private/buy", query)
    assert request.params.reduce_only is True
    assert request.params.label == "null"
    assert bytes(request.params.amount) == b'"0.1"'
    with pytest.raises(jsonrpc_requests.Malformed) as caught:
        jsonrpc_requests.decode_call("private/buy", {"instrument_name": "B", "reduce_only": "maybe"})
    assert caught.value.refusal.param == "reduce_only"
    with pytest.raises(jsonrpc_requests.Malformed) as caught:
        jsonrpc_requests.decode_call("private/nope", {})
    assert caught.value.refusal.code == ErrorCode.METHOD_NOT_FOUND


def test_answers_are_json():
    for request_id in (1, -5, 'a"b', None, 2**70):
        answer = json.loads(jsonrpc_answers.reply(request_id, b'{"a":0.10}', 10, 15, True))
        times = {"usIn": 10, "usOut": 15, "usDiff": 5}
        assert answer == {"jsonrpc": "2.0", "id": request_id, "result": {"a": 0.1}, **times, "testnet": True}
    refusal = Refusal(ErrorCode.TOO_MANY_REQUESTS, 'wait "a bit"', wait_ms=5)
    answer = json.loads(jsonrpc_answers.error_reply(3, refusal, 1, 1))
    assert answer["error"] == {
        "code": 10028, "message": "too_many_requests", "data": {"reason": 'wait "a bit"', "wait_ms": 5},
    }  # fmt: skip
    assert json.loads(jsonrpc_answers.push('book."x"', b"[1]"))["params"] == {"channel": 'book."x"', "data": [1]}
    assert json.loads(jsonrpc_answers.heartbeat("test_request"))["params"]["type"] == "test_request"


OURS = {
    "venue/acknowledge_disclosure",
    "venue/countdown_cancel_all",
    "venue/explain_account",
    "venue/get_admission",
    "venue/get_reject_reasons",
    "venue/get_disclosures",
    "venue/get_rules",
    "venue/resume",
    "venue/withdraw_professional_status",
}


def test_the_table_has_every_method_of_the_protocol():
    assert len([name for name in METHODS if not name.startswith("venue/")]) == 84
    assert {name for name in METHODS if name.startswith("venue/") and not name.startswith("venue/admin/")} == OURS
    assert all(method.summary and method.result for method in METHODS.values())
    assert {m.scope for name, m in METHODS.items() if name.startswith("public/")} == {""}
    assert "" not in {m.scope for name, m in METHODS.items() if name.startswith("private/")}
