"""The table of clients and methods is the one that was recorded, and every method in it is one of the venue."""

import json

from gateway.sessions.method_table import METHODS
from tests.gateway.peers.table import CALLS, CLIENTS, DOCUMENT, document


def test_the_document_has_what_was_recorded():
    saved = json.loads(CALLS.read_text())
    assert saved.keys() == CLIENTS.keys()
    assert DOCUMENT.read_text() == document(DOCUMENT.read_text(), saved)


def test_every_method_that_is_answered_is_one_of_the_venue():
    saved = json.loads(CALLS.read_text())
    answered = {name for calls in saved.values() for name, said in calls["methods"].items() if said == "yes"}
    assert answered <= set(METHODS) and len(answered) > 60


def test_the_pinned_versions_are_those_of_the_table():
    folder = CALLS.parent
    for path in (folder / "requirements").iterdir():
        pins = dict(line.split("==") for line in path.read_text().split())
        known = {name.lower().replace("_", "-"): version for name, version in pins.items()}
        name = path.stem
        assert known.get(name, known.get(f"{name}-trader")) == CLIENTS[name]
    package = json.loads((folder / "javascript" / "package.json").read_text())
    assert package["dependencies"]["ccxt"] == CLIENTS["ccxt (JavaScript)"]
