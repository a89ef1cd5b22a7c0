"""A reason is one line that prints, whatever it quotes."""

import json

import pytest

from gateway.sessions.actions import Reply
from gateway.wire.errors import ErrorCode, Refusal
from tests.gateway.desk import NOW, Desk

QUOTED = [("\0x", r"\x00x"), ("a\nb", r"a\nb"), ("\u202eevil", r"\u202eevil"), ("é", "é")]


@pytest.mark.parametrize(("quoted", "told"), QUOTED)
def test_what_does_not_print_is_told_by_its_number(quoted, told):
    refusal = Refusal(ErrorCode.INVALID_PARAMS, f"{quoted}: there is none", "channels")
    assert refusal.reason == f"{told}: there is none" and str(refusal) == f"channels: {told}: there is none"


def test_an_answer_quotes_a_channel_in_one_line(tmp_path):
    session = Desk(tmp_path).session("alice")
    sent = {"jsonrpc": "2.0", "id": 1, "method": "venue/resume", "params": {"channels": ["a\nb\0"]}}
    [reply] = session.receive(json.dumps(sent).encode(), NOW)
    assert type(reply) is Reply
    assert json.loads(reply.data)["error"]["data"]["reason"].startswith(r"a\nb\x00: there is no channel")
