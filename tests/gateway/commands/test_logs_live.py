"""A real `lionrock serve`: what its log says, and that nothing secret is in it or in any other text that it writes."""

import asyncio
import json
import logging
import os
import sys

import aiohttp
import pytest

from gateway import cli
from gateway.client import Client, RpcError
from gateway.wire import log_lines
from tests.gateway.live import INDEX, config_of, play, request, set_up
from tests.gateway.office.test_officers_live import name_officers
from tests.recordings.data import compiled

pytestmark = compiled
START_SECONDS = 240
PLANTED = "Jq7Rk2Lm9Xw4Tz8Vb3Nc6Yd1Hg5Fs0Pa"


async def served(config, log):
    """`lionrock serve` that writes its log to an open file: (process, what it said when it listened)."""
    flags = {
        "data": config.data, "port": 0, "scripted-index": INDEX, "durability": "os", "log-format": "json",
        "log-level": "debug",
    }  # fmt: skip
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "serve", "--json", *words, stdout=asyncio.subprocess.PIPE, stderr=log
    )
    async with asyncio.timeout(START_SECONDS):
        return process, json.loads(await process.stdout.readline())


async def use(told, trader, officer):
    """Whatever carries a secret: logins, signatures, tokens, right and wrong ones, and messages that are none."""
    base = f"http://127.0.0.1:{told['port']}"
    for secret in (trader[1], PLANTED, PLANTED * 2):
        async with Client(f"ws://127.0.0.1:{told['port']}") as client:
            try:
                login = {"grant_type": "client_credentials", "client_id": trader[0], "client_secret": secret}
                await client.call("public/auth", **login)
                await client.call("private/get_account_summary", currency="USDC")
            except RpcError:
                assert secret != trader[1]
    async with aiohttp.ClientSession() as http:
        login = {"grant_type": "client_credentials", "client_id": trader[0], "client_secret": trader[1]}
        async with http.get(f"{base}/api/v2/public/auth", params=login) as answer:
            token = (await answer.json())["result"]["access_token"]
        for header in (f"Bearer {token}", f"Bearer {PLANTED}", f"deri-hmac-sha256 id={PLANTED},ts=1,nonce=2,sig=3"):
            headers = {"Authorization": header}
            async with http.get(f"{base}/api/v2/private/get_positions", headers=headers) as answer:
                assert answer.status == (200 if token in header else 400)
        for body in (PLANTED, f'{{"method": "{PLANTED}"}}', request(1, "private/buy", amount=PLANTED).decode()):
            async with http.post(f"{base}/api/v2", data=body) as answer:
                assert answer.status == 400
        async with http.get(f"{base}/{PLANTED}") as answer:
            assert answer.status == 404
    async with Client(f"ws://127.0.0.1:{told['operations_port']}", *officer) as ann:
        await ann.call(
            "venue/admin/set_restriction", account="alice", restriction="suspended", reason=f"because {PLANTED}"
        )
    return token


def test_a_run_says_what_happened_and_nothing_secret(tmp_path):
    config = config_of(tmp_path / "venue")
    config.registry.parent.mkdir()
    traders = set_up(config, ("alice",))
    officers = name_officers(config)
    trader = (traders[0].key.id, traders[0].key.secret)

    async def story():
        with (tmp_path / "log").open("wb") as log:
            process, told = await served(config, log)
            try:
                token = await use(told, trader, officers[0])
            finally:
                process.terminate()
                assert await process.wait() == 0
        return told, token

    told, token = play(story(), seconds=400)
    text = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line for line in text.splitlines() if not line.startswith(("{", "compiling"))] == []
    events = [line["event"] for line in lines]
    assert events.count("officers_change") == 1  # and none of the document's examples
    started, change = (lines[events.index(name)] for name in ("started", "officers_change"))
    assert (started["port"], started["operations_port"]) == (told["port"], told["operations_port"])
    assert (change["kind"], change["state"]) == ("set_restriction", "done") and change["key"] and change["person"]
    assert change["connection"] in [line["connection"] for line in lines if line["event"] == "connected"]
    assert events.index("stopping") < events.index("stopped")
    assert lines[events.index("stopped")]["sequence"] > 0  # a websocket's end may still be told after it
    assert all({"time", "level", "logger", "event", "message"} <= line.keys() for line in lines)
    written = [text, *(path.read_text(errors="replace") for path in (tmp_path / "venue" / "gateway-log").rglob("*.*"))]
    secrets = [PLANTED, token, trader[1], *(officer[1] for officer in officers), *("Ann", "Ben")]
    for secret in secrets:
        for part in filter(None, secret.split(".")):
            assert not any(part in found for found in written), part


def test_the_venues_processes_log_as_it_does(monkeypatch, capfd):
    kept = logging.root.handlers[:], logging.root.level
    monkeypatch.setenv("LIONROCK_LOG_FORMAT", "json")
    monkeypatch.setenv("LIONROCK_LOG_LEVEL", "warning")
    try:
        log_lines.configure_as_parent()
        logging.getLogger("lionrock.surveillance").warning("a rule failed")
        logging.getLogger("lionrock.surveillance").info("not said")
    finally:
        logging.root.handlers[:] = kept[0]
        logging.root.setLevel(kept[1])
    [line] = capfd.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "a_rule_failed" and os.environ["LIONROCK_LOG_FORMAT"] == "json"


@pytest.mark.parametrize("words", [("--log-format", "xml"), ("--log-level", "loud")])
def test_what_no_log_can_be_is_refused_in_one_line(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", *words])
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "choose from" in said[0] and words[1] in said[0]
