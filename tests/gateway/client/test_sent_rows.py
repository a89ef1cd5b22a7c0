"""Which frames of rows a node did not take that hands over, by what it says in the order in which it serves them."""

import asyncio
from random import Random

import pytest

from gateway.client.errors import HANDED_OVER, RpcError
from gateway.client.sent_rows import RowSender, SentRows


def sent(*frames):
    rows = SentRows()
    for frame in frames:
        rows.add(frame)
    return rows


def test_those_before_a_request_as_many_as_were_refused_and_all_behind_it():
    rows = sent(b"a", b"b", b"c", b"d")
    rows.refuse(True)
    rows.refuse(True)
    assert rows.refused_count == 2 and rows.not_taken(4) == [b"c", b"d"]
    rows.add(b"e")
    assert rows.not_taken(4) == [b"c", b"d", b"e"]


def test_one_that_is_wrong_is_not_sent_again():
    rows = sent(b"a", b"wrong", b"c")
    for is_handed_over in (True, False, True):
        rows.refuse(is_handed_over)
    assert rows.not_taken(3) == [b"a", b"c"]


def test_what_was_served_is_forgotten_until_the_node_hands_over():
    rows = sent(b"a", b"b")
    rows.served(1)
    rows.add(b"c")
    rows.served(1)
    assert list(rows._frames) == [b"b", b"c"]
    rows.refuse(True)
    rows.served(3)
    assert rows.not_taken(3) == [b"c"]


@pytest.mark.parametrize("seed", range(200))
def test_each_frame_is_taken_or_sent_again_and_none_is_both(seed):
    """A node that hands over somewhere serves frames and requests in their order, and its words come late."""
    rolls = Random(seed)
    rows, taken, refused_otherwise = SentRows(), [], []
    wire, words = [], []
    hands_over_at, mark = rolls.randrange(60), 0
    served, found = 0, None
    for number in range(1000):
        if found is not None:
            break
        if rolls.random() < 0.5:
            rows.add(frame := b"%d%s" % (number, b"!" if rolls.random() < 0.1 else b""))
            wire.append(frame)
        elif rolls.random() < 0.2 or (rows.refused_count and not mark):
            if rows.refused_count and not mark:
                mark = number
            wire.append((number, rows.count))
        if wire and rolls.random() < 0.6:
            what = wire.pop(0)
            served += 1
            if isinstance(what, tuple):
                words.append(what)
            elif what.endswith(b"!"):
                words.append(False)
                refused_otherwise.append(what)
            elif served > hands_over_at:
                words.append(True)
            else:
                taken.append(what)
        if words and rolls.random() < 0.6:
            word = words.pop(0)
            if isinstance(word, tuple) and word[0] == mark and mark:
                found = rows.not_taken(word[1])
            elif isinstance(word, tuple):
                rows.served(word[1])
            elif word or rows.refused_count:
                rows.refuse(word)
    unread = [frame for frame in wire if not isinstance(frame, tuple)]
    assert found is not None and not set(found) & set(taken)
    kept = [frame for frame in found if not frame.endswith(b"!")]
    every = sorted([*taken, *kept, *(each for each in refused_otherwise if each not in found)])
    assert every == sorted({*every}) and {*unread} <= {*found}
    assert len(taken) + len(found) + sum(each not in found for each in refused_otherwise) == rows.count


def test_frames_that_wait_for_the_next_node_are_not_overtaken():
    """Behind the lost connection another one comes about: until it stands, what is sent goes behind what waits."""
    wire, told = [], []

    async def story():
        rows = RowSender(True, wire.append, lambda: 7, told.append)
        rows.send(b"before")
        rows.requested(5)
        rows.send(b"first")
        error = RpcError({"code": 13_000, "message": "handed over", "data": {"reason": HANDED_OVER}})
        assert rows.refused(error)
        rows.requested(7)
        rows.answered(5, None)
        rows.answered(7, None)
        rows.send(b"second")
        rows.lost()
        rows.send(b"third")
        del wire[:]
        rows.go_on()
        rows.send(b"fourth")

    asyncio.run(story())
    assert wire == [b"first", b"second", b"third", b"fourth"] and told == []
