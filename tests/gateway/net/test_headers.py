"""What responses say to browsers, and which pages may use what needs a key."""

import json

import aiohttp
import pytest

from gateway import pages
from gateway.config import ConfigError, load
from gateway.net.http_headers import PAGE_POLICY
from gateway.wire.origins import Origins
from tests.gateway.live import market, play, request
from tests.gateway.net.test_http_connection import answered, conversation, get

SCRIPT = next(f"/{name}".encode() for name in sorted(pages.assets_of("terminal.html")) if name.endswith(".js"))
EVIL = "https://evil.example"
DESK = "https://desk.example"


@pytest.mark.parametrize(
    ("origin", "host", "is_foreign"),
    [
        (None, "venue:8765", False),
        ("http://venue:8765", "venue:8765", False),
        ("https://venue:8765", "venue:8765", False),
        (DESK, "venue:8765", False),
        (EVIL, "venue:8765", True),
        ("http://venue", "venue:8765", True),
        ("http://venue:8765.evil.example", "venue:8765", True),
        ("null", "venue:8765", True),
        ("null", None, True),
        ("", "", True),
        ("http://", "", True),
        ("https://desk.example.evil.example", "venue:8765", True),
    ],
)
def test_whose_page_asks(origin, host, is_foreign):
    headers = {name: value for name, value in (("origin", origin), ("host", host)) if value is not None}
    assert Origins(f"{DESK}, http://localhost:3000").is_foreign(headers) is is_foreign
    assert not Origins("*").is_foreign({"origin": EVIL, "host": "venue"})


@pytest.mark.parametrize("listed", ["desk.example", "https://Desk.example", "https://desk.example/", "null", "a,*"])
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(listed):
    with pytest.raises(ConfigError, match=r"allowed_origins: .*https://desk\.example\.com"):
        load(None, {}, {"allowed_origins": listed})


def test_pages_may_run_nothing_but_their_own_files_and_no_page_may_hold_them(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()
        for target, policy in ((b"/", PAGE_POLICY), (SCRIPT, PAGE_POLICY), (b"/api/v2/public/get_time", None)):
            writer.write(get(target))
            _, headers, body = await answered(reader)
            said = headers["content-security-policy"]
            assert "default-src 'none'" in said and "frame-ancestors 'none'" in said and "unsafe" not in said
            assert said == (policy or said).lower() and headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            if target == b"/":
                assert b"<script>" not in body and b"style=" not in body and b"onclick" not in body
        writer.write(b"nonsense\r\n\r\n")
        assert "frame-ancestors 'none'" in (await answered(reader))[1]["content-security-policy"]
        writer.close()

    conversation(tmp_path, talk)


def test_other_origins_read_what_is_open_and_nothing_else(tmp_path):
    async def talk(connect, server):
        reader, writer = await connect()

        async def shared(target, origin=EVIL, verb=b"GET"):
            writer.write(get(target, b"Origin: " + origin.encode(), verb=verb))
            status, headers, body = await answered(reader)
            return status, headers.get("access-control-allow-origin"), body

        for verb in (b"GET", b"OPTIONS"):
            for target in (b"/openrpc.json", b"/api/v2/public/get_time", b"/api/v2/venue/get_rules"):
                assert (await shared(target, verb=verb))[1] == "*"
            for target in (b"/", b"/api/v2", b"/api/v2/private/get_positions", b"/api/v2/venue/admin/list_changes"):
                assert (await shared(target, verb=verb))[1] is None
            assert (await shared(b"/api/v2/private/get_positions", DESK, verb))[1] == DESK
        status, _, body = await shared(b"/api/v2/private/get_positions")
        error = json.loads(body)["error"]
        assert (status, error["code"], error["data"]["param"]) == (400, 13021, "Origin")
        assert "allowed_origins" in error["data"]["reason"]
        status, _, body = await shared(b"/api/v2/private/get_positions", DESK)
        assert json.loads(body)["error"]["code"] == 13009
        body = request(1, "private/cancel_all")
        writer.write(get(b"/api/v2", b"Origin: null", b"Content-Length: %d" % len(body), verb=b"POST") + body)
        assert json.loads((await answered(reader))[2])["error"]["code"] == 13021
        writer.close()

    conversation(tmp_path, talk, allowed_origins=DESK)


def test_a_page_of_another_origin_gets_no_websocket(tmp_path):
    async def story():
        venue = market(tmp_path, ("alice",), allowed_origins=DESK)
        async with venue as (server, _), aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{server.port}/ws/api/v2"
            for origin in (None, f"http://127.0.0.1:{server.port}", DESK):
                async with http.ws_connect(url, headers={"Origin": origin} if origin else None) as socket:
                    await socket.send_str(request(1, "public/test").decode())
                    assert json.loads((await socket.receive()).data)["id"] == 1
            for origin in (EVIL, "null", f"http://127.0.0.1:{server.port + 1}"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await http.ws_connect(url, headers={"Origin": origin})
                assert refused.value.status == 403
            assert len(server.connections.websockets) == 1  # alice's

    play(story())
