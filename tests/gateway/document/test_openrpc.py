"""The document: every method with its parameters, scope and a worked call that a real session answers."""

import argparse
import json
import logging

import numpy as np
import pytest

from engine.schema import COMMAND, EVENT, LABEL
from gateway.commands import schema
from gateway.document import openrpc
from gateway.document.examples import CHANNELS, EXAMPLES
from gateway.sessions.method_table import METHODS
from gateway.wire.errors import ErrorCode


@pytest.fixture(scope="module")
def document():
    return json.loads(openrpc.text())


def test_every_method_has_a_worked_call_that_is_answered(document):
    assert set(EXAMPLES) == set(METHODS)
    by_name = {method["name"]: method for method in document["methods"]}
    assert set(by_name) == set(METHODS)
    answers = openrpc.worked_answers()
    for name, answer in answers.items():
        assert answer is not None or name == "private/logout", name
        assert by_name[name]["examples"][0]["params"] == [{"name": k, "value": v} for k, v in EXAMPLES[name].items()]


def test_what_the_samples_officers_do_is_not_in_the_venues_log(caplog):
    caplog.set_level(logging.INFO)
    openrpc.text.cache_clear()
    openrpc.text()
    assert not [record for record in caplog.records if record.name.startswith("lionrock")]


def test_parameters_follow_the_types(document):
    buy = next(method for method in document["methods"] if method["name"] == "private/buy")
    params = {param["name"]: param for param in buy["params"]}
    assert params["instrument_name"] == {"name": "instrument_name", "required": True, "schema": {"type": "string"}}
    assert params["amount"]["schema"] == openrpc.NUMBER
    assert params["type"]["schema"]["enum"][0] == "limit"
    assert params["post_only"]["schema"] == {"type": "boolean"}
    assert params["clientOrderId"]["schema"] == {"oneOf": [{"type": "integer"}, {"type": "string"}]}
    assert (buy["x-scope"], buy["x-rate-limit"]) == ("trade", "orders")
    explain = next(method for method in document["methods"] if method["name"] == "venue/admin/explain_order")
    [number] = [param["schema"] for param in explain["params"] if param["name"] == "number"]
    assert [choice["type"] for choice in number["oneOf"]] == ["integer", "string"]  # it may be above 2^53


def test_results_refer_to_shapes_that_exist(document):
    schemas = document["components"]["schemas"]
    for method in document["methods"]:
        reference = method["result"]["schema"].get("$ref") or method["result"]["schema"].get("items", {}).get("$ref")
        assert reference is None or reference.rpartition("/")[2] in schemas, method["name"]
    assert schemas["Order"]["properties"]["price"] == {"type": "number"}
    assert document["components"]["errors"]["not_enough_funds"]["code"] == ErrorCode.NOT_ENOUGH_FUNDS
    assert document["x-channels"] == CHANNELS


def test_binary_records_are_the_engines(document):
    for name, dtype in (("COMMAND", COMMAND), ("EVENT", EVENT), ("LABEL", LABEL)):
        made = {}
        exec(openrpc.dtype_text(name), {"np": np}, made)
        assert made[name].itemsize == 128
        offsets = {field: made[name].fields[field][1] for field in made[name].names}
        assert offsets == {field: dtype.fields[field][1] for field in dtype.names}
        assert [row["name"] for row in document["x-binary"]["records"][name]] == list(dtype.names)


def test_the_command_writes_it(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    schema.add_parser(parser.add_subparsers())
    args = parser.parse_args(["schema", "--output", str(tmp_path / "s.json")])
    assert args.run(args) == 0
    assert json.loads((tmp_path / "s.json").read_bytes())["openrpc"] == "1.3.2"
    args = parser.parse_args(["schema", "--dtype", "EVENT"])
    assert args.run(args) == 0
    assert capsys.readouterr().out.startswith("EVENT = np.dtype([")
    args = parser.parse_args(["schema", "--output", str(tmp_path / "none" / "s.json")])
    with pytest.raises(SystemExit):
        args.run(args)
    assert len(capsys.readouterr().err.splitlines()) == 1
