"""HTTP requests and responses as bytes: what is read, what is refused and with which status, and how it goes on."""

import pytest

from gateway.net.http_messages import MAX_HEAD_BYTES, PIECE_BYTES, BadRequest, HttpMessages

POST = b"POST /api/v2/public/auth?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"


def said(*parts, max_body_bytes=100):
    """The messages of a connection on which these bytes came."""
    messages = HttpMessages(max_body_bytes)
    for part in parts:
        messages.receive(part)
    return messages


def taken(*parts):
    """(messages, request) of these bytes."""
    messages = said(*parts)
    return messages, messages.next_request()


def with_headers(*lines, verb=b"GET"):
    return b"\r\n".join([verb + b" / HTTP/1.1", b"Host: a", *lines, b"", b""])


@pytest.mark.parametrize("cut", range(1, len(POST)))
def test_a_request_may_be_cut_anywhere(cut):
    messages = said(POST[:cut])
    assert messages.next_request() is None
    messages.receive(POST[cut:])
    request = messages.next_request()
    assert (request.verb, request.target, request.body) == ("POST", "/api/v2/public/auth?x=1", b"hello")
    assert request.headers == {"host": "a", "content-length": "5"} and not request.is_upgrade


BAD = [
    (b"nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00", 400),
    (b"GET relative HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (with_headers(verb=b"DELETE"), 405),
    (with_headers(verb=b"CONNECT"), 405),
    (with_headers(b"broken"), 400),
    (with_headers(b"Name : value"), 400),
    (with_headers(b"Host: b"), 400),
    (with_headers(b"Content-Length: -1"), 400),
    (with_headers(b"Content-Length: +1"), 400),
    (with_headers(b"Content-Length: 1.0"), 400),
    (with_headers(b"Content-Length: " + b"9" * 5000), 400),
    (with_headers(b"Content-Length: 1", b"Content-Length: 2"), 400),
    (with_headers(b"Content-Length: 1, 2"), 400),
    (with_headers(b"Content-Length: 101"), 413),
    (with_headers(b"Content-Length: 99999999999999999999"), 413),
    (with_headers(b"Transfer-Encoding: chunked"), 411),
    (with_headers(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 411),
    (with_headers(b"Transfer-Encoding: gzip, chunked"), 501),
    (b"x" * (MAX_HEAD_BYTES + 1), 431),
    (with_headers(b"A: " + b"x" * MAX_HEAD_BYTES), 431),
    (with_headers(*[b"A: b"] * (MAX_HEAD_BYTES // 6)), 431),
]


@pytest.mark.parametrize(("data", "status"), BAD, ids=[str(index) for index in range(len(BAD))])
@pytest.mark.parametrize("size", [1 << 20, 1000])
def test_bad_requests_are_refused_once_and_the_connection_ends(data, status, size):
    messages = HttpMessages(100)
    with pytest.raises(BadRequest) as refused:
        for first in range(0, len(data), size):
            messages.receive(data[first : first + size])
            messages.next_request()
    assert refused.value.status == status
    assert 0 < len(refused.value.reason) <= 200 and "\n" not in refused.value.reason
    answer = messages.response(status, b"{}", close=True)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n{}") and messages.is_over


def test_a_head_may_be_as_long_as_the_limit():
    room = MAX_HEAD_BYTES - len(with_headers(b"A: "))
    messages, request = taken(with_headers(b"A: " + b"x" * room))
    assert len(messages.upgrade_bytes()[0]) == MAX_HEAD_BYTES and len(request.headers["a"]) == room
    with pytest.raises(BadRequest):
        taken(with_headers(b"A: " + b"x" * (room + 1)))


def test_a_length_that_is_said_twice_counts_once():
    _, request = taken(with_headers(b"Content-Length: 2", b"Content-Length: 2", verb=b"POST") + b"okay")
    assert request.body == b"ok"


def test_pipelined_requests_wait_for_the_answer_to_the_one_before():
    messages, request = taken(GET + POST + GET[:9])
    assert request.target == "/first" and messages.next_request() is None
    messages.receive(GET[9:])
    assert messages.next_request() is None
    messages.response(200, b"{}")
    assert not messages.is_over
    second = messages.next_request()
    assert (second.verb, second.body) == ("POST", b"hello") and messages.next_request() is None
    messages.response(200, b"{}")
    third = messages.next_request()
    assert (third.target, third.body) == ("/first", b"") and messages.upgrade_bytes() == (GET, b"")


def test_a_head_is_answered_without_the_body_but_with_its_length():
    messages, request = taken(GET.replace(b"GET", b"HEAD") + GET)
    assert request.verb == "HEAD"
    answer = messages.response(404, b"not found", "text/plain")
    assert answer.endswith(b"\r\n\r\n") and b"\r\nContent-Length: 9\r\n" in answer and not messages.is_over
    assert messages.next_request().verb == "GET" and messages.response(200, b"{}").endswith(b"\r\n\r\n{}")
    messages = said(with_headers(b"Content-Length: 101", verb=b"HEAD"))
    with pytest.raises(BadRequest):
        messages.next_request()
    assert messages.response(413, b"{}", close=True).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        with_headers(b"Connection: close"),
        with_headers(b"Connection: Close, foo"),
    ],
)
def test_the_connection_ends_when_the_client_says_so_or_speaks_http_1_0(data):
    messages, request = taken(data + GET)
    answer = messages.response(200, b"{}")
    assert request.target == "/" and messages.is_over
    assert b"Connection: close\r\n" in answer and b"keep-alive" not in answer


def test_a_response_to_options_has_no_body():
    messages, _ = taken(with_headers(verb=b"OPTIONS"))
    answer = messages.response(204, b"")
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n") and answer.endswith(b"\r\n\r\n") and not messages.is_over


def test_a_response_is_as_it_always_was():
    messages, _ = taken(GET)
    assert messages.response(400, b"{}", headers=[("Cache-Control", "no-store"), ("X-Odd", "a b")]) == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
        b"Cache-Control: no-store\r\nX-Odd: a b\r\n\r\n{}"
    )


def test_a_connection_may_be_refused_before_it_says_anything():
    messages = HttpMessages(100)
    assert messages.response(503, b"{}", close=True).startswith(b"HTTP/1.1 503 ") and messages.is_over


UPGRADE = with_headers(b"uPgRaDe:  WebSocket ", b"Connection: keep-alive, Upgrade", b"X-Odd:\tA  b")


@pytest.mark.parametrize("before", [b"", GET])
@pytest.mark.parametrize("cut", [1, 9, len(UPGRADE) - 1, len(UPGRADE), len(UPGRADE) + 2])
def test_the_bytes_of_an_upgrade_are_handed_on_as_they_were_sent(before, cut):
    messages = HttpMessages(100)
    if before:
        messages.receive(before + UPGRADE[:1])
        messages.next_request()
        messages.response(200, b"{}")
    stream = (UPGRADE + b"\x81\x85frames")[1 if before else 0 :]
    for part in (stream[:cut], stream[cut:]):
        messages.receive(part)
        request = messages.next_request()
        if request is not None:
            assert request.is_upgrade
            head, behind = messages.upgrade_bytes()
            break
    assert head == UPGRADE and (b"\x81\x85frames").startswith(behind)
    assert messages.next_request() is None


def test_what_else_a_client_would_upgrade_to_is_not_taken_up():
    messages, request = taken(with_headers(b"Upgrade: h2c", b"Connection: Upgrade") + GET)
    assert not request.is_upgrade
    messages.response(200, b"{}")
    assert not messages.is_over and messages.next_request().target == "/first"


def test_what_waits_behind_a_request_is_not_copied_with_each():
    """h11 holds one piece at a time, however much came in one read."""
    messages = said(GET * 100_000)
    for _ in range(1_000):
        assert messages.next_request().target == "/first"
        assert len(messages._protocol.trailing_data[0]) < PIECE_BYTES
        messages.response(200, b"")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\r\n\n"])
@pytest.mark.parametrize("upgrade", [b"", b"Upgrade: websocket\r\n"])
def test_a_head_whose_lines_end_otherwise_is_refused(head, upgrade):
    """The websocket library would wait for the end of such a head, and nobody would count the connection."""
    with pytest.raises(BadRequest, match="CR LF") as refused:
        said(head.replace(b"Host", upgrade + b"Host")).next_request()
    assert refused.value.status == 400
