"""Whole lines of a source in blocks, for compiled readers."""

from collections.abc import Iterator

from engine.recordings.source import DAMAGED, BadLineError, RecordingError, Source

PIECE_BYTES = 1 << 16
"""Bytes unpacked at a time: no more are lost in front of damage."""


def line_blocks(source: Source, block_bytes: int) -> Iterator[bytes]:
    """Blocks of about so many bytes, each of whole lines, the last one ended if it was not. Nothing of them is held.

    RecordingError when the packed bytes are damaged, after the whole lines before the damage; BadLineError for a line
    of more than `block_bytes`.
    """
    lines, rest, damage = 0, b"", None
    with source.open() as stream:
        data = b"-"
        while data and damage is None:
            pieces = [rest]
            while len(data) and sum(map(len, pieces)) < block_bytes:
                try:
                    data = stream.read1(PIECE_BYTES)  # type: ignore[attr-defined]
                except DAMAGED as error:
                    damage = error
                    break
                pieces.append(data)
            block = b"".join(pieces)
            if block and not data and damage is None:
                block += b"\n"
            cut = block.rfind(b"\n") + 1
            block, rest = block[:cut], block[cut:]
            lines += block.count(b"\n")
            if block:
                yield block
            if damage is not None:
                raise RecordingError(f"{source.path}: damaged after line {lines}: {damage}") from damage
            if len(rest) >= block_bytes:
                raise BadLineError(source.name, lines + 1, "line", f"is longer than {block_bytes:,} bytes")
