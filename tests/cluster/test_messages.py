"""What goes through a venue's stream is read as it was written, and anything else is refused in one line."""

import random
import zlib
from typing import Any

import pytest
import zstandard

from gateway.cluster import messages
from gateway.cluster.messages import (
    Author,
    Beat,
    EpochMessage,
    MessageError,
    Place,
    RecordMessage,
    SideMessage,
)

AUTHOR = Author(7, "alpha")
CHAIN = bytes(range(32))
FIRST = RecordMessage(AUTHOR, Place(3, 0), 101, 104, CHAIN, b"h" * 256 + b"record")
LATER = RecordMessage(AUTHOR, Place(3, 1), 105, 104, CHAIN, b"seal")
BESIDE: dict[str, Any] = {"epoch": 7, "node": "alpha", "segment": 3, "number": 1, "last_seq": 104, "chain": CHAIN}
EPOCH = EpochMessage(**BESIDE, reason="takeover", addresses=["ws://a:1"], time_ns=5)
SIDE = SideMessage(
    **BESIDE, name="registry.db", version=2, part=0, parts=1, page_bytes=4, file_bytes=8, digest=CHAIN,
    pages={1: b"page"},
)  # fmt: skip


ALIKE = LATER._replace(body=b"row" * 1000)
UNLIKE = LATER._replace(body=random.Random(1).randbytes(3000))


@pytest.mark.parametrize("message", [FIRST, LATER, ALIKE, UNLIKE, EPOCH, SIDE], ids=lambda m: type(m).__name__)
def test_a_message_is_read_as_it_was_written(message: messages.Message) -> None:
    headers, body = messages.pack(message)
    assert messages.unpack(headers, body) == message
    assert messages.author_of(headers) == AUTHOR


def test_the_first_record_of_a_segment_comes_behind_its_header() -> None:
    assert (FIRST.segment_header, FIRST.record) == (b"h" * 256, b"record")
    assert (LATER.segment_header, LATER.record) == (b"", b"seal")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({messages.KIND: "other"}, "Lionrock-Kind 'other'"),
        ({messages.EPOCH: "-1"}, "Lionrock-Epoch '-1'"),
        ({messages.LAST: "9" * 20}, "Lionrock-Last"),
        ({messages.CHAIN: "ab"}, "Lionrock-Chain 'ab'"),
        ({messages.NUMBER: "0"}, "segment 3 comes without"),
    ],
)
def test_headers_that_nobody_writes_are_refused(change: dict[str, str], named: str) -> None:
    headers, body = messages.pack(LATER)
    with pytest.raises(MessageError, match=named):
        messages.unpack(headers | change, body)


def test_a_body_that_is_not_of_its_kind_is_refused() -> None:
    headers, body = messages.pack(EPOCH)
    with pytest.raises(MessageError, match="epoch that cannot be read"):
        messages.unpack(headers, body[:-3])
    with pytest.raises(MessageError, match="whose headers say"):
        messages.unpack(headers | {messages.EPOCH: "8"}, body)


def test_a_record_is_compressed_where_that_makes_it_smaller() -> None:
    headers, body = messages.pack(ALIKE)
    assert headers[messages.KIND] == "zstandard" and len(body) < 100
    for record in (LATER, UNLIKE):
        headers, body = messages.pack(record)
        assert headers[messages.KIND] == "record" and body == record.body


def test_a_record_that_an_older_release_has_deflated_is_read() -> None:
    headers, _ = messages.pack(ALIKE)
    assert messages.unpack(headers | {messages.KIND: "deflated"}, zlib.compress(ALIKE.body)) == ALIKE


FRAME = zstandard.compress(ALIKE.body)


@pytest.mark.parametrize(
    ("kind", "body", "named"),
    [
        ("deflated", ALIKE.body, "cannot be read"),
        ("deflated", zlib.compress(ALIKE.body)[:-1], "does not end"),
        ("deflated", zlib.compress(ALIKE.body) + b"x", "does not end"),
        ("deflated", zlib.compress(bytes(messages.MAX_PAYLOAD_BYTES + 1)), "within 8388608 bytes"),
        ("zstandard", ALIKE.body, "cannot be read"),
        ("zstandard", FRAME[:-1], "cannot be read"),
        ("zstandard", FRAME + b"x", "cannot be read"),
        ("zstandard", b"", "cannot be read"),
        ("zstandard", zstandard.compress(bytes(messages.MAX_PAYLOAD_BYTES + 1)), "at most 8388608 bytes"),
        ("zstandard", zstandard.ZstdCompressor(write_content_size=False).compress(ALIKE.body), "at most 8388608 bytes"),
    ],
)
def test_a_compressed_record_that_nobody_writes_is_refused(kind: str, body: bytes, named: str) -> None:
    headers, _ = messages.pack(ALIKE)
    with pytest.raises(MessageError, match=named):
        messages.unpack(headers | {messages.KIND: kind}, body)


def test_a_header_in_another_case_is_missed() -> None:
    headers, body = messages.pack(EPOCH)
    with pytest.raises(MessageError, match="Lionrock-Epoch ''"):
        messages.unpack({messages.KIND: "epoch", "lionrock-epoch": "7"}, body)
    assert headers[messages.KIND] == "epoch"


def test_the_condition_of_a_publish_has_the_servers_own_name() -> None:
    header = pytest.importorskip("nats.js.api", reason="nats-py is not installed").Header
    assert header.EXPECTED_LAST_SEQUENCE.value == messages.EXPECTED_LAST
    assert header.EXPECTED_STREAM.value == messages.EXPECTED_STREAM


def test_a_heartbeat_is_read_as_it_was_written() -> None:
    beat = Beat(epoch=7, node="alpha", last_seq=104)
    assert messages.unpack_beat(messages.pack_beat(beat)) == beat
    with pytest.raises(MessageError, match="heartbeat"):
        messages.unpack_beat(b"\xff")


def test_the_names_of_a_venue() -> None:
    names = messages.stream_name("hk-1"), messages.log_subject("hk-1"), messages.beat_subject("hk-1")
    assert names == ("LOG_hk-1", "log.hk-1", "beat.hk-1")
