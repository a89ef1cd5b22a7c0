"""Where a checksum fails because of one byte: CRC32C is linear, so its difference names the byte that changed."""

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
_WORD = 0xFFFFFFFF


def _step(value: int) -> int:
    """What one byte does to a checksum."""
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = [_step(byte) for byte in range(256)]
_INDEX_OF_TOP = {entry >> 24: index for index, entry in enumerate(_TABLE)}


def changed_byte(size_bytes: int, stored_crc: int, found_crc: int) -> int | None:
    """The index of the one byte of so many whose change explains two different checksums of them.

    -4 to -1 when it is a byte of the stored checksum itself (its lowest first), None when no single byte explains it.
    """
    difference = stored_crc ^ found_crc
    parts = [index for index in range(4) if difference >> (8 * index) & 0xFF]
    if len(parts) == 1:
        return parts[0] - 4
    for index in range(size_bytes - 1, -1, -1):
        # Take back what the bytes behind this one did; a change of this byte alone is then below 256.
        entry = _INDEX_OF_TOP[difference >> 24]
        difference = ((difference ^ _TABLE[entry]) << 8 & _WORD) | entry
        if difference < 256:
            return index
    return None
