"""HTTP heads: what is read, what is refused and with which status."""

import pytest

from gateway.net import http_codec


def test_a_head_in_parts_is_complete_at_its_end():
    data = b"POST /api/v2/public/auth?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    assert http_codec.parse_head(data[:60], 100) is None
    head = http_codec.parse_head(data, 100)
    assert (head.verb, head.target, head.body_bytes, head.keep_alive) == ("POST", "/api/v2/public/auth?x=1", 5, True)
    assert data[head.size :] == b"hello" and not head.is_upgrade


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET relative HTTP/1.1\r\n\r\n", 400),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"x" * 20_000, 431),
    ],
)
def test_bad_heads_are_refused(data, status):
    with pytest.raises(http_codec.BadRequest) as refused:
        http_codec.parse_head(data, 100)
    assert refused.value.status == status


def test_upgrade_and_close_are_seen():
    head = http_codec.parse_head(b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: close\r\n\r\n", 100)
    assert head.is_upgrade and not head.keep_alive


def test_a_response_says_its_length():
    assert b"HTTP/1.1 400 Bad Request\r\n" in http_codec.response(400, b"{}")
    assert b"Content-Length: 2\r\n" in http_codec.response(200, b"{}") and http_codec.response(200, b"{}").endswith(
        b"\r\n\r\n{}"
    )
