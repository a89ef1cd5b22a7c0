"""The compiled finder of websocket frames in received bytes, after RFC 6455, section 5.2.

It unmasks a whole text message of at most 64 KiB in place; most frames are that. The websocket library gets all other
frames as they came: control frames, parts of messages, rows, long texts, and frames that break the protocol.
"""

import numpy as np

from engine.kernels import part
from engine.units import load_word
from gateway.wire.byte_kernels import store_word

INCOMPLETE, TEXT, OTHER, NO_ROOM = range(4)
"""Why reading stopped: part of a frame is missing; a text for the session; a frame for the library; a full batch."""
SLACK_BYTES = 64
"""The finder and the reader may read so many bytes behind the received ones."""
_FINAL_TEXT, _MASKED, _TWO_BYTES, _EIGHT_BYTES = 0x81, 0x80, 126, 127
_KEY_BYTES = 4
_LOW_HALF = (1 << 32) - 1
_LONGEST = 1 << 40
"""The length that counts for a frame that claims to be longer; the library refuses both."""


@part
def _long_size(data, at):
    size = 0
    for index in range(8):
        size = min(size << 8 | np.int64(data[at + index]), _LONGEST)
    return size


@part
def _unmask(data, first, size):
    """Unmask a payload and set its key to zeros, so that unmasking it again changes nothing."""
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
def next_frame(work, data):
    """The kind of the frame at `offset`: INCOMPLETE, OTHER, or TEXT, unmasked between `first` and `last`."""
    at = work.offset
    left = work.filled - at
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
    work.frame_bytes = first - at + size
    is_shortest = head == 2 or (head == 4 and size >= _TWO_BYTES)
    if data[at] != _FINAL_TEXT or not is_masked or size > work.longest or not is_shortest:
        return OTHER
    if left < work.frame_bytes:
        return INCOMPLETE
    _unmask(data, first, size)
    work.first, work.last = first, first + size
    return TEXT
