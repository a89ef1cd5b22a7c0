"""Whole lines of a source in blocks, for compiled readers."""

from collections.abc import Iterator

from engine.recordings.source import Source


def line_blocks(source: Source, block_bytes: int) -> Iterator[bytes]:
    """As `Source.blocks`, without numbers of lines; the last line has its end even if it had none."""
    for _, block in source.blocks(block_bytes):
        yield block if block.endswith(b"\n") else block + b"\n"
