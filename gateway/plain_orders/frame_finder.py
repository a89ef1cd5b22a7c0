"""The compiled finder of websocket frames in what a connection brought, after RFC 6455, section 5.2.

It opens what most frames are, a whole text message of at most 64 KiB, in its place. Control frames, parts of
messages, rows, long texts and whatever breaks the protocol are not its business: the websocket library gets them as
they came.
"""

import numpy as np

from engine.kernels import part
from gateway.plain_orders.byte_kernels import load_word, store_word

INCOMPLETE, TEXT, OTHER, NO_ROOM = range(4)
"""Why reading stopped: the rest has yet to come; a text for the session; a frame for the library; the batch is full."""
SLACK_BYTES = 64
"""So much may be read behind the bytes that came."""
_FINAL_TEXT, _MASKED, _TWO_BYTES, _EIGHT_BYTES = 0x81, 0x80, 126, 127
_KEY_BYTES = 4
_LOW_HALF = (1 << 32) - 1
_LONGEST = 1 << 40
"""A frame that claims to be longer counts as so long: the library refuses either."""


@part
def _long_size(data, at):
    size = 0
    for index in range(8):
        size = min(size << 8 | np.int64(data[at + index]), _LONGEST)
    return size


@part
def _unmask(data, first, size):
    """Take the mask off a payload; the key in front becomes one of zeros, so that a second time does no harm."""
    key = load_word(data, first - _KEY_BYTES) & _LOW_HALF
    if key == 0:
        return
    wide = key | key << 32
    words = size >> 3
    for index in range(words):
        store_word(data, first + 8 * index, load_word(data, first + 8 * index) ^ wide)
    for index in range(8 * words, size):
        data[first + index] ^= np.uint8(key >> (8 * (index & 3)) & 255)
    for index in range(_KEY_BYTES):
        data[first - 1 - index] = 0


@part
def next_frame(desk, data):
    """What begins at `offset`: INCOMPLETE, OTHER, or TEXT, opened between `first` and `last`."""
    at = desk.offset
    left = desk.filled - at
    if left < 2:
        return INCOMPLETE
    size, head = np.int64(data[at + 1]) & 127, 2
    if size == _TWO_BYTES:
        head = 4
    elif size == _EIGHT_BYTES:
        head = 10
    if left < head:
        return INCOMPLETE
    if size == _TWO_BYTES:
        size = np.int64(data[at + 2]) << 8 | np.int64(data[at + 3])
    elif size == _EIGHT_BYTES:
        size = _long_size(data, at + 2)
    is_masked = data[at + 1] & _MASKED != 0
    first = at + head + (_KEY_BYTES if is_masked else 0)
    desk.frame_bytes = first - at + size
    is_shortest = head == 2 or (head == 4 and size >= _TWO_BYTES)
    if data[at] != _FINAL_TEXT or not is_masked or size > desk.longest or not is_shortest:
        return OTHER
    if left < desk.frame_bytes:
        return INCOMPLETE
    _unmask(data, first, size)
    desk.first, desk.last = first, first + size
    return TEXT
