"""The table of clients and methods in `gateway/client/README.md`, made from what was really asked and answered.

LIONROCK_RECORD_CALLS=1 python -m pytest tests/gateway/peers    notes in calls.json what the clients ask now
python -m tests.gateway.peers.table                             writes the table from calls.json
"""

import argparse
import json
import os
from pathlib import Path

from tests.gateway.peers.recorder import ANSWERED

HERE = Path(__file__).parent
CALLS = HERE / "calls.json"
DOCUMENT = HERE.parents[2] / "gateway" / "client" / "README.md"
CLIENTS = {
    "ccxt (Python)": "4.5.90",
    "ccxt (JavaScript)": "4.5.84",
    "nautilus": "1.231.0",
    "typed-deribit": "0.4.1",
    "deribridge": "0.1.0",
    "deribit-wrapper": "0.6.4",
    "deribit-py": "0.1.0",
    "cryptofeed": "3.0.1",
}
BEGIN, END = "<!-- begin: table of calls -->", "<!-- end: table of calls -->"
_COMMAND = "LIONROCK_RECORD_CALLS=1 python -m pytest tests/gateway/peers, then python -m tests.gateway.peers.table"
_CONTRACTS = {"BTC_USDC-PERPETUAL": "{instrument}", "ETH_USDC-PERPETUAL": "{instrument}", "btc_usdc": "{index}"}


def seen(calls):
    """What a client asked, as it is kept: a method's codes only if it was never answered."""
    methods = {
        name: "yes" if ANSWERED in outcomes else ", ".join(map(str, sorted(outcomes)))
        for name, outcomes in sorted(calls.methods.items())
    }
    channels = {}
    for name, is_given in sorted(calls.channels.items()):
        for contract, word in _CONTRACTS.items():
            name = name.replace(contract, word)
        channels[name] = "yes" if is_given else "no"
    return {"methods": methods, "channels": channels}


def check(name, calls):
    """A client asks what is on record, and is answered as it is on record."""
    saved = json.loads(CALLS.read_text()) if CALLS.exists() else {}
    if os.environ.get("LIONROCK_RECORD_CALLS"):
        saved[name] = seen(calls)
        CALLS.write_text(json.dumps(dict(sorted(saved.items())), indent=1) + "\n")
    else:
        assert seen(calls) == saved.get(name), f"{name} asks something else than is on record: {_COMMAND}"


def _rows(kind, saved):
    names = sorted({name for calls in saved.values() for name in calls[kind]})
    for name in names:
        yield [f"`{name}`", *[saved[client][kind].get(name, "") for client in CLIENTS]]


def table(saved):
    """The two tables, of methods and of channels, as Markdown."""
    lines = []
    for kind, title in (("methods", "method"), ("channels", "channel")):
        head = [title, *[f"{name} {version}" for name, version in CLIENTS.items()]]
        lines += ["", f"| {' | '.join(head)} |", f"|---|{'---|' * len(CLIENTS)}"]
        lines += [f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in _rows(kind, saved)]
    return "\n".join(lines[1:]) + "\n"


def document(text, saved):
    """The document with the table in its place."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table(saved)}\n{END}{tail}"


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tests.gateway.peers.table", description=__doc__).parse_args()
    DOCUMENT.write_text(document(DOCUMENT.read_text(), json.loads(CALLS.read_text())))
