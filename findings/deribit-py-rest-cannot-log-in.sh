#!/usr/bin/env bash
# deribit-py takes a successful login over HTTP for a failed one, so none of its private HTTP methods can ever be used.
#
# Version:    deribit-py 0.1.0, aiohttp 3.14.5.
# Source:     deribit/rest.py: _request returns data["result"] (line 77), authenticate looks for "result" in that (line 43).
# Guess:      A published client logs in with right credentials; only its coverage of methods is small.
# Behaviour:  The venue answers with a token as its documents say, and authenticate raises "Authentication failed". Public
#             methods work, and so does its websocket class, which logs in by itself.
# For us:     Who wants its HTTP side sets `access_token` from `public_request("public/auth", ...)`, as our test does
#             (gateway/client/README.md).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    aiohttp==3.14.5 aiohappyeyeballs==2.7.1 aiosignal==1.4.0 attrs==26.1.0 frozenlist==1.8.0 idna==3.20 \
    multidict==7.2.1 propcache==0.5.4 typing_extensions==4.16.0 yarl==1.25.1 websockets==17.4 deribit-py==0.1.0

cat >"$work/expected" <<'END'
public/get_time: 1764000000000
public/auth was asked with grant_type client_credentials and answered with a token
authenticate: Exception, Authentication failed
private/get_positions with the token set by hand: []
END

cat >"$work/probe.py" <<'END'
import asyncio

from aiohttp import web
from deribit.rest import DeribitREST

ANSWERS = {
    "public/get_time": 1764000000000,
    "public/auth": {
        "access_token": "token-of-the-test", "refresh_token": "refresh-of-the-test", "expires_in": 900,
        "scope": "session:test", "token_type": "bearer",
    },
    "private/get_positions": [],
}
asked = {}


async def answer(request):
    method = request.match_info["method"]
    asked[method] = dict(request.query)
    if method.startswith("private/") and request.headers.get("Authorization") != "Bearer token-of-the-test":
        return web.json_response({"jsonrpc": "2.0", "error": {"code": 13009, "message": "unauthorized"}}, status=400)
    return web.json_response({"jsonrpc": "2.0", "result": ANSWERS[method]})


async def run():
    app = web.Application()
    app.router.add_get("/api/v2/{method:.+}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = DeribitREST("key", "secret")
    client.BASE_URL = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v2"
    print("public/get_time:", await client.get_time())
    try:
        await client.authenticate()
        print("authenticate: logged in")
    except Exception as error:
        print(f"public/auth was asked with grant_type {asked['public/auth']['grant_type']} and answered with a token")
        print(f"authenticate: {type(error).__name__}, {str(error).partition(':')[0]}")
    client.access_token = ANSWERS["public/auth"]["access_token"]
    print("private/get_positions with the token set by hand:", await client.private_request("private/get_positions"))
    await client.close()
    await runner.cleanup()


asyncio.run(run())
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
