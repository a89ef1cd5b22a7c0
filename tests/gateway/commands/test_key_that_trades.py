"""What the help shows makes a key that can trade; a key that cannot says the one command that mends it."""

import argparse
import json
import re
import shlex

import pytest

from gateway import clock
from gateway.client import Client
from gateway.commands import account, key
from gateway.office.bootstrap import list_contracts, set_up_venue
from gateway.registry.registry import Registry
from tests.gateway.live import BTC, MILLION_MICROS, config_of, play, running


def call(folder, capsys, line):
    """The rows that a command prints; dates of the examples are moved to where they cannot lapse."""
    parser = argparse.ArgumentParser(prog="lionrock")
    subparsers = parser.add_subparsers()
    account.add_parser(subparsers)
    key.add_parser(subparsers)
    words = shlex.split(re.sub(r"\d{4}-\d{2}-\d{2}|DATE", "2089-03-31", line))[1:]
    args = parser.parse_args([*words, "--data", str(folder), "--json"])
    assert args.run(args) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def first_example(module):
    return next(line.strip() for line in module._EXAMPLES.splitlines() if line.startswith("  lionrock"))


async def _buy(config, made):
    login = made["id"], made["secret"]
    async with running(config) as server, Client(f"ws://127.0.0.1:{server.port}", *login) as client:
        return (await client.buy(BTC, 0.1, price=19_900)).order.order_state


@pytest.fixture
def config(tmp_path):
    config = config_of(tmp_path)
    config.registry.parent.mkdir(parents=True, exist_ok=True)
    registry = Registry(config.registry)
    set_up_venue(registry, clock.wall_ns(), MILLION_MICROS)
    list_contracts(registry, clock.wall_ns())
    registry.close()
    return config


def test_the_first_examples_make_a_key_that_trades(config, capsys):
    call(config.data, capsys, first_example(account))
    [made] = call(config.data, capsys, first_example(key))
    assert "missing" not in made
    assert play(_buy(config, made)) == "open"


def test_a_key_of_somebody_without_knowledge_says_what_mends_it(config, capsys):
    call(config.data, capsys, first_example(account))
    [made] = call(config.data, capsys, 'lionrock key create alice --person "Alice Chan"')
    assert made["missing"].startswith("DERIVATIVES_KNOWLEDGE_REQUIRED")
    [_] = call(config.data, capsys, made["missing"][made["missing"].index("lionrock key") :])
    assert play(_buy(config, made)) == "open"
    [reader] = call(config.data, capsys, 'lionrock key create alice --person "Bob" --scopes read')
    assert "missing" not in reader
