"""Each failure of a base is an alarm that says what failed and what happens next. No server is needed."""

import asyncio
import subprocess
import sys
import time

import pytest

from engine import host
from gateway.cluster import bases
from gateway.cluster.answers import StreamError
from gateway.cluster.bases import TROUBLE, UPLOADS, Bases
from gateway.cluster.messages import EpochMessage
from gateway.cluster.pipe import Digested
from gateway.venue.health import Health
from tests.gateway.live import config_of
from tests.patience import patience_s

base_process = pytest.importorskip("gateway.cluster.base_process", reason="nats-py is not installed")
base_offers = pytest.importorskip("gateway.cluster.base_offers", reason="nats-py is not installed")
END = host.LogEnd(1, 2, 9, bytes(32))
LEADER = EpochMessage(
    epoch=1, node="a", segment=1, number=0, last_seq=1, chain=b"", reason="start", addresses=[], time_ns=1
)


class Answering:
    """A stream that has one answer for whoever asks it."""

    def __init__(self, answer):
        self._answer = answer

    async def get(self, sequence):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Sent:
    """A file beside the journal that the stream has."""

    sent = (3, b"the registry")


async def offered(folder, answer, reserve_bytes=0):
    """What is told of one snapshot: the offers, and the failures."""
    offers, failures = [], []
    made = base_offers.BaseOffers(Answering(answer), str(folder), offers.append, failures.append, reserve_bytes)
    made.epoch_seq = 4
    made.marked(7, END)
    made.digested(Digested(at_seq=9, digest="00"), 8, [Sent()])
    await made._task
    return offers, failures


ANSWERS = {
    "does not answer": (StreamError("no answer"), "the stream does not say who leads, message 4 (no answer)"),
    "another message": (Digested(at_seq=1, digest=""), "message 4 of the stream does not say who leads"),
    "a fault": (KeyError("nobody"), "its offer ended with KeyError: 'nobody'"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_offer_that_fails_is_told_in_one_line(kind, tmp_path):
    answer, line = ANSWERS[kind]
    assert asyncio.run(offered(tmp_path, answer)) == ([], [line])


def test_an_offer_that_is_made_has_the_image_and_one_that_cannot_be_written_is_told(tmp_path):
    (at,), failures = asyncio.run(offered(tmp_path, LEADER))
    assert not failures and (tmp_path / UPLOADS / f"registry-{7:020d}.copy").read_bytes() == b"the registry"
    assert (at.leader, at.last_seq, at.stream_seq) == (LEADER, 9, 7)
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / UPLOADS).write_bytes(b"in the way of the folder")
    offers, (line,) = asyncio.run(offered(blocked, LEADER))
    assert not offers and "the registry's image is not written" in line


def test_the_image_leaves_half_of_the_disks_reserve_to_the_journal(tmp_path):
    offers, (line,) = asyncio.run(offered(tmp_path, LEADER, reserve_bytes=1 << 60))
    assert not offers and "half of disk_reserve_bytes, are the journal's" in line
    assert not list((tmp_path / UPLOADS).iterdir())


def told(made, health):
    """The alarm's line as the venue has it now."""
    made.look(health)
    (trouble,) = health.troubles
    assert trouble.name == TROUBLE
    return trouble.line


def test_the_alarm_says_what_failed_and_what_happens_next(tmp_path):
    made, health = Bases(config_of(tmp_path)), Health()
    made.no_offer("the stream does not say who leads")
    line = told(made, health)
    assert "the stream does not say who leads" in line and "tried again with the next snapshot" in line
    assert " s after" not in line and made.failures == 1
    at = asyncio.run(offered(tmp_path, LEADER))[0][0]
    made._now = at
    made._fail("no room on the servers")
    line = told(made, health)
    assert "no room on the servers" in line and "tried again 120 s after that, or with the next snapshot" in line


def test_a_process_that_does_not_end_is_killed_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "LONGEST_SECONDS", 0)
    code = [sys.executable, "-c", "import time; time.sleep(3600)"]
    hung = subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    monkeypatch.setattr(bases.beside_venue, "begin", lambda module, *arguments: hung)
    made, health = Bases(config_of(tmp_path)), Health()
    made.offer(asyncio.run(offered(tmp_path, LEADER))[0][0])
    try:
        limit = time.monotonic() + patience_s()
        while not health.troubles and time.monotonic() < limit:
            made.look(health)
            time.sleep(0.01)
        line = told(made, health)
        assert "had not ended after 0 s, and was killed" in line and "tried again 60 s after that" in line
        assert hung.poll() is not None and not made.is_running
    finally:
        made.close()
        hung.kill()


def test_images_are_taken_away_a_piece_at_a_time_and_newer_ones_stay(tmp_path, monkeypatch):
    pieces = []
    monkeypatch.setattr(base_process, "pause", lambda: pieces.append(1))
    old, own, newer = (tmp_path / f"registry-{seq:020d}.copy" for seq in (1, 2, 3))
    for path in (old, own, newer):
        path.write_bytes(bytes(3 << 20))
    # an old one that is half gone, and a newer one on its way
    cut, written = (path.with_name(f"{path.name}.tmp") for path in (old, newer))
    for path in (cut, written):
        path.write_bytes(b"half")
    base_process.forget_images(own, itself=False)
    assert sorted(tmp_path.iterdir()) == [own, newer, written] and len(pieces) == 3
    written.unlink()
    base_process.forget_images(own, itself=True)
    assert list(tmp_path.iterdir()) == [newer]
