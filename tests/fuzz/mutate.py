"""What is done to bytes: flips, cuts, copies and pieces that readers stumble over. All chance is the caller's."""

from random import Random

PIECES = (
    b"", b"-1", b"9" * 30, b"1e400", b"nan", b"NaN", b"Infinity", b"-", b".", b"\xff\xfe", b"\x00", b'"', b"{", b"[",
    b"null", b"true", b"18446744073709551616", b"1.00000000000000000000001", b",", b"\n", b"\r", "\u0661".encode(),
    b"0x10", b"1_000", b" ", b"[" * 200, b"2012-13-45", b"9223372036854775807", b"-9223372036854775809", b"\r\n",
    b"-0", b"1e9", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"}", b"]", b":", b"0", b"\xf0\x9f\x98\x80", b"\x7f",
)  # fmt: skip
WORDS = (
    0, 1, 2, 7, 63, 64, 127, 128, 255, 256, 1 << 15, 1 << 16, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62, (1 << 63) - 1,
    1 << 63, (1 << 64) - 1, (1 << 64) - 2,
)  # fmt: skip
"""Numbers at the edges of what fits."""


def below(chance: Random, end: int) -> int:
    """A number from 0 to end - 1; `randrange` takes several times as long."""
    return int(chance.random() * end)


def mutated(data: bytes, chance: Random) -> bytes:
    """The bytes with one to four things done to them."""
    changed = bytearray(data)
    for _ in range((1, 1, 1, 2, 4)[below(chance, 5)]):
        at = below(chance, len(changed) + 1)
        end = min(len(changed), at + (1, 1, 2, 4, 8, 20)[below(chance, 6)])
        do = below(chance, 8)
        if do == 0 and at < len(changed):
            changed[at] ^= 1 << below(chance, 8)
        elif do == 1:
            del changed[at:end]
        elif do == 2:
            changed[at:at] = chance.choice(PIECES)
        elif do == 3:
            changed[at:end] = chance.choice(PIECES)
        elif do == 4:
            changed[at:at] = changed[below(chance, len(changed) + 1) :][:40]
        elif do == 5 and chance.random() < 0.3:
            del changed[at:]
        elif do == 6:
            fields = bytes(changed).replace(b"\n", b"\n,").split(b",")
            fields[below(chance, len(fields))] = chance.choice(PIECES)
            changed = bytearray(b",".join(fields).replace(b"\n,", b"\n"))
        elif at < len(changed):
            changed[at] = below(chance, 256)
    return bytes(changed)


def mutated_fixed(data: bytearray, chance: Random, first: int = 0, end: int | None = None) -> None:
    """Change some bytes of records in place, without changing their length: bits, bytes, whole words."""
    end = len(data) if end is None else end
    for _ in range((1, 1, 1, 2, 4)[below(chance, 5)]):
        at, do = first + below(chance, end - first), below(chance, 3)
        if do == 0:
            data[at] ^= 1 << below(chance, 8)
        elif do == 1:
            data[at] = below(chance, 256)
        else:
            size = (2, 4, 8)[below(chance, 3)]
            at = min(at // size * size, end - size)
            data[at : at + size] = (chance.choice(WORDS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")
