"""Damaged copies of recordings, the same for the same seed."""

from random import Random

SIGNS = b'0123456789,\n\r "{}:\\-+.eE_abcnul\x00\xff\t[]'


def mutated(data: bytes, draw: Random, first: int = 0) -> bytes:
    """Bytes with a few of them changed, added, taken away or repeated, from `first` on."""
    damaged = bytearray(data)
    for _ in range(draw.randrange(1, 12)):
        place = draw.randrange(first, len(damaged))
        kind = draw.randrange(4)
        if kind == 0:
            damaged[place] = draw.choice(SIGNS)
        elif kind == 1:
            damaged[place:place] = bytes([draw.choice(SIGNS)])
        elif kind == 2:
            del damaged[place : place + draw.randrange(1, 9)]
        else:
            damaged[place:place] = damaged[place : place + draw.randrange(1, 30)]
    return bytes(damaged)
