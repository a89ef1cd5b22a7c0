"""What may be heard of: on a machine alone what is durable, in a cluster also no more than the stream has."""

from types import SimpleNamespace

import pytest

from gateway.venue.released import Released


class Engine:
    """As far as it matters here: up to where it is durable."""

    def __init__(self, durable_seq: int) -> None:
        self.durable_seq = durable_seq
        self.journal = SimpleNamespace(durable_tip=(durable_seq, b"own", 1, 2))


@pytest.mark.parametrize(
    ("durable", "replicated", "waits", "expected"),
    [(9, 5, True, (5, b"stream")), (5, 9, True, (5, b"own")), (9, 5, False, (9, b"own"))],
)
def test_in_a_cluster_it_is_what_both_have(
    durable: int, replicated: int, waits: bool, expected: tuple[int, bytes]
) -> None:
    released = Released(Engine(durable))
    copies = SimpleNamespace(replicated_seq=replicated, tip=(replicated, b"stream"))
    released.copies, released.waits = copies, waits
    assert released.seq == expected[0] and released.tip == expected


def test_on_a_machine_alone_it_is_what_is_durable() -> None:
    assert (Released(Engine(7)).seq, Released(Engine(7)).tip) == (7, (7, b"own"))
    without = Engine(7)
    without.journal = None
    assert Released(without).tip is None
