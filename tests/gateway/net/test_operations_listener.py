"""The port for officers and operation: what is served there alone, what both ports say about health."""

import asyncio
import json
import socket

import aiohttp
import pytest

from gateway import pages
from gateway.client import Client, RpcError
from gateway.config import ConfigError
from gateway.net.server import Server
from gateway.venue.health import Effect
from tests.gateway.live import BTC, config_of, market, play, request, running, set_up
from tests.gateway.office.test_officers_live import venue as venue_with_officers


async def got(http, server, path, is_public=False):
    """(status, content) of a page."""
    port = server.port if is_public else server.operations_port
    async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, json.loads(await answer.text())


NO_CHANGES = {"changes": [], "continuation": None}


def test_officers_act_at_their_own_port_alone(tmp_path):
    async def story():
        async with venue_with_officers(tmp_path / "v") as (server, (alice, _, ann, _)):
            assert await ann.call("venue/admin/list_changes") == NO_CHANGES
            async with Client(alice.url, ann.key_id, ann._secret) as outside:
                with pytest.raises(RpcError, match=rf"ws://127\.0\.0\.1:{server.operations_port}") as refused:
                    await outside.call("venue/admin/list_changes")
                assert refused.value.code == 13021
                with pytest.raises(RpcError, match="are served at"):
                    await outside.call("venue/admin/set_restriction", account="alice", restriction="frozen", reason="x")
                assert await outside.call("public/test")
            with pytest.raises(RpcError, match="needs the scope") as refused:  # a trader is not told where
                await alice.call("venue/admin/list_changes")
            assert str(server.operations_port) not in str(refused.value)
            assert await ann.call("venue/admin/list_changes", state="all") == NO_CHANGES

    play(story())


@pytest.mark.parametrize("is_public", [True, False])
def test_officers_calls_over_http_follow_the_same_rule(tmp_path, is_public):
    async def story():
        async with venue_with_officers(tmp_path / "v") as (server, (*_, ben)), aiohttp.ClientSession() as http:
            port = server.port if is_public else server.operations_port
            base = f"http://127.0.0.1:{port}/api/v2"
            login = {"grant_type": "client_credentials", "client_id": ben.key_id, "client_secret": ben._secret}
            async with http.get(f"{base}/public/auth", params=login) as answer:
                token = (await answer.json())["result"]["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            body = request(1, "venue/admin/list_changes").decode()
            async with http.post(base, data=body, headers=headers) as answer:
                found = await answer.json()
            assert found["error"]["code"] == 13021 if is_public else found["result"] == NO_CHANGES

    play(story())


def test_anybody_hears_whether_it_is_ready_and_the_operator_hears_why_not(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",)) as (server, (alice,)), aiohttp.ClientSession() as http:
            venue = server.venue
            assert await got(http, server, "/readyz", True) == (200, {"ready": True})
            assert await got(http, server, "/healthz", True) == (200, {"live": True})
            status, ready = await got(http, server, "/readyz")
            assert (status, ready["ready"], ready["reasons"], ready["markets"][BTC]) == (200, True, [], "open")
            await alice.buy(BTC, "0.1", price="19900")
            _, health = await got(http, server, "/healthz")
            assert (health["state"], health["troubles"]) == ("serving", [])
            assert health["sequence"] >= health["durable_sequence"] > 0

            venue.health.report("A_PAGE_IS_ROTTEN", Effect.ALARM, "segment 3 is rotten", "restore it")
            assert (await got(http, server, "/readyz", True))[0] == 200
            assert [trouble["name"] for trouble in (await got(http, server, "/healthz"))[1]["troubles"]] == [
                "A_PAGE_IS_ROTTEN"
            ]
            venue.health.report("DISK_FAILED", Effect.READ_ONLY, "the disk failed", "replace it")
            assert await got(http, server, "/readyz", True) == (503, {"ready": False})
            status, ready = await got(http, server, "/readyz")
            why = {"reason": "DISK_FAILED", "cause": "the disk failed", "remedy": "replace it"}
            assert (status, ready["reasons"]) == (503, [why])
            status, health = await got(http, server, "/healthz")
            assert (status, health["state"]) == (200, "read_only")
            assert (await alice.call("public/status"))["locked"] == "true"
            with pytest.raises(RpcError):
                await alice.buy(BTC, "0.1", price="19900")
            venue.health.clear("DISK_FAILED")
            assert (await got(http, server, "/readyz"))[0] == 200
            assert (await alice.call("public/status"))["locked"] == "false"

            venue.context.shut_down()
            assert [row["reason"] for row in (await got(http, server, "/readyz"))[1]["reasons"]] == ["SHUTTING_DOWN"]

    play(story())


def test_a_venue_without_an_open_market_is_not_ready(tmp_path):
    async def story():
        config = config_of(tmp_path, scripted_index="")
        server = Server(config)
        await server.start()
        async with aiohttp.ClientSession() as http:
            assert [row["reason"] for row in (await got(http, server, "/readyz"))[1]["reasons"]] == ["NO_CONTRACT"]
            set_up(config, ("alice",))
            async with asyncio.timeout(60):
                while not (await got(http, server, "/readyz"))[1]["markets"]:
                    await asyncio.sleep(0.05)
            # no source of the index is live yet: the state of each market says whether orders are taken
            status, ready = await got(http, server, "/readyz")
            assert (status == 200) == any(state in ("open", "post_only") for state in ready["markets"].values())
        await server.stop()

    play(story())


def test_a_full_public_port_keeps_no_officer_out_and_each_port_has_its_own_page(tmp_path):
    async def story():
        async with market(tmp_path, ("alice",), max_connections=1) as (server, _), aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{server.port}/readyz") as answer:
                assert answer.status == 503 and b"too many" in await answer.read()
            assert (await got(http, server, "/readyz"))[0] == 200
            place = f"http://127.0.0.1:{server.operations_port}"
            async with http.get(place) as answer:
                assert answer.status == 200 and b"Lionrock console" in await answer.read()
            own = {f"/{name}" for name in pages.assets_of("terminal.html") - pages.assets_of("console.html")}
            for path in (*own, "/nothing"):
                async with http.get(f"{place}{path}") as answer:
                    assert answer.status == 404, path
            assert own

    play(story())


def test_a_port_that_is_taken_is_named_with_its_settings(tmp_path):
    async def story():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            server = Server(config_of(tmp_path, operations_port=number))
            with pytest.raises(ConfigError, match=f"operations_port {number}: .*in use; choose others"):
                await server.start()
            server.venue.close()

    play(story())


def test_without_a_setting_it_is_the_next_port(tmp_path):
    async def story():
        for _ in range(5):  # another process may take the port in between
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                number = free.getsockname()[1]
            try:
                async with running_at(tmp_path, number) as server:
                    assert (server.port, server.operations_port) == (number, number + 1)
                    return
            except (OSError, ConfigError):
                continue
        pytest.skip("no two free ports beside each other were found")

    def running_at(folder, number):
        config = config_of(folder / str(number), port=number)
        config.registry.parent.mkdir()
        set_up(config, ("alice",))
        return running(config)

    play(story())
