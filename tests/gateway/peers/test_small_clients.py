"""Smaller clients: every call of theirs that a trader of futures makes is answered, or the client is at fault.

What a client cannot do is told by its version, so that a newer one is looked at again.
"""

import pytest

from tests.gateway.live import play
from tests.gateway.peers.peer import peer, quote, script
from tests.gateway.peers.table import check

AT_FAULT = {
    "deribit-wrapper": {},  # 0.6.4
    "deribit-py": {  # 0.1.0
        "authenticate": "Authentication failed: {'access_token'",  # it looks for the result inside the result
        "buy": "Invalid enum value 'good_till_cancelled'",  # its default, which no document has
    },
    "deribridge": {},  # 0.1.0
}
"""Calls that fail in the client itself, and a part of what each says."""


@pytest.mark.parametrize("name", sorted(AT_FAULT))
def test_every_call_is_answered(tmp_path, python_peer, name):
    python = python_peer(name, (3, 12))
    told = play(_story(tmp_path, name, python), 240)
    failed = {call["call"]: call["error"] for call in told if call["error"]}
    assert failed.keys() == AT_FAULT[name].keys(), failed
    for call, part in AT_FAULT[name].items():
        assert part in failed[call]


async def _story(folder, name, python):
    async with peer(folder) as venue:
        await quote(venue.maker)
        told = await venue.run(python, script(name.replace("-", "_") + "_walk.py"))
        check(name, venue.calls)
        return told
