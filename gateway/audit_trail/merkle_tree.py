"""Merkle trees as in RFC 6962 and RFC 9162, section 2.1, over SHA-256: roots, inclusion paths and their check.

The hash of a leaf is SHA-256 of a byte 0 and the leaf; of a node, SHA-256 of a byte 1 and the hashes of its left and
right half. The left half is the largest power of two below the whole. Without any leaf it is SHA-256 of nothing.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node with two halves."""
    return sha256(b"\1" + left + right).digest()


class RunningRoot:
    """The root over leaves that come one by one: it keeps the roots of whole halves alone, largest first."""

    def __init__(self) -> None:
        self.count = 0
        self._halves: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add a leaf at the end."""
        node, size = leaf_hash(leaf), self.count
        while size & 1:
            node, size = node_hash(self._halves.pop(), node), size >> 1
        self._halves.append(node)
        self.count += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._halves:
            return sha256().digest()
        node = self._halves[-1]
        for left in reversed(self._halves[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over some leaves."""
    running = RunningRoot()
    for leaf in leaves:
        running.add(leaf)
    return running.root()


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion path of a leaf: the hashes beside its way up, lowest first."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path_of(leaves[:half], index), root_of(leaves[half:])]
    return [*path_of(leaves[half:], index - half), root_of(leaves[:half])]


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf stands at an index of the tree of this size and root, by its path (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf_hash(leaf)
    for beside in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(beside, node)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root
