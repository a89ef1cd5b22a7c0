"""How those who flood share a turn of the loop, without a loop: the calls of the next turn are ours to make."""

from gateway.net.fair_reads import LEAST_BYTES, READ_BYTES, TURN_BYTES, FairReads


class Loop:
    """The calls of the next turn."""

    def __init__(self):
        self.calls = []

    def turn(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Flood:
    """A connection that fills every read."""

    def __init__(self, reads):
        self.reads = reads
        self.turns = 0
        self.is_over = False

    def go_on_if_free(self):
        self.turns += 1
        if not self.is_over:
            self.reads.filled(self)


def flooded(count):
    loop = Loop()
    reads = FairReads(lambda call: loop.calls.append(call), lambda reader, call: call())
    floods = [Flood(reads) for _ in range(count)]
    for flood in floods:
        reads.filled(flood)
    return loop, reads, floods


def test_floods_share_the_turn_and_each_of_them_goes_on_once_a_turn():
    for count in (1, 2, 3, 4, 8):
        loop, reads, floods = flooded(count)
        assert reads.size_bytes == READ_BYTES, "the first turn knows nothing of them yet"
        for turn in range(1, 6):
            loop.turn()
            assert [flood.turns for flood in floods] == [turn] * count
            assert count * reads.size_bytes <= TURN_BYTES and reads.size_bytes <= READ_BYTES
            assert reads.size_bytes == min(READ_BYTES, TURN_BYTES // count)


def test_each_of_very_many_may_read_a_little():
    loop, reads, _ = flooded(100)
    loop.turn()
    assert reads.size_bytes == LEAST_BYTES


def test_when_nobody_floods_any_more_reads_are_large_again_and_nothing_is_called_any_more():
    loop, reads, floods = flooded(8)
    loop.turn()
    for flood in floods:
        flood.is_over = True
    loop.turn()
    assert reads.size_bytes == TURN_BYTES // 8, "they went on in this turn for the last time"
    loop.turn()
    assert reads.size_bytes == READ_BYTES and not loop.calls
    reads.filled(floods[0])
    loop.turn()
    assert floods[0].turns == 3
